"""LocalExecutor whose scheduler goes on the moment a task has ended. Invariant: a loop waits once.

The scheduler's own idle sleep sees the end of a task half a sleep late, at every step of a run, and
a short sleep costs CPU all day. Set ``[scheduler] scheduler_idle_sleep_time`` to 0 beside this
executor: here the loop waits instead. docs/adr/0015-prompt-executor.md has the figures.
"""

from multiprocessing.connection import wait
from typing import Any

from airflow.executors.local_executor import LocalExecutor

WAIT_SECONDS = 0.5  # how late an arrival may be seen, and how often an idle scheduler looks


class PromptLocalExecutor(LocalExecutor):
    """LocalExecutor that lets an idle scheduler rest, and wakes it when a task has ended."""

    def sync(self) -> None:
        """Take what has ended; wait for it, but not for long: other work may come as well."""
        queue: Any = self.result_queue
        pipe = queue._reader  # noqa: SLF001 - the queue itself cannot be waited for
        wait([pipe], WAIT_SECONDS)
        super().sync()
