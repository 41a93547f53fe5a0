"""LocalExecutor that wakes the scheduler when a task ends. Invariant: each loop waits once.

The scheduler's own idle sleep delays every step of a run, because it notices the end of a task half
a sleep late. A short sleep costs CPU all day. Set ``[scheduler] scheduler_idle_sleep_time`` to 0
with this executor, which waits instead. docs/adr/0015-prompt-executor.md has the measurements.
"""

from multiprocessing.connection import wait
from typing import Any

from airflow.executors.local_executor import LocalExecutor

WAIT_SECONDS = 0.5  # longest delay for other events, and the interval of an idle scheduler


class PromptLocalExecutor(LocalExecutor):
    """LocalExecutor that blocks an idle scheduler until a task ends or a timeout passes."""

    def sync(self) -> None:
        """Wait briefly for a finished task, because other work may arrive, then process results."""
        queue: Any = self.result_queue
        pipe = queue._reader  # noqa: SLF001 - wait() does not accept the queue
        wait([pipe], WAIT_SECONDS)
        super().sync()
