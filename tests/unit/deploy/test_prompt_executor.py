"""The executor that wakes the scheduler, with a real worker and without a scheduler."""

from collections.abc import Iterator
from threading import Timer
from typing import Any

import prompt_executor
import pytest
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState
from prompt_executor import PromptLocalExecutor

pytestmark = pytest.mark.unit
_KEY = TaskInstanceKey("transform_posts", "load", "a run", 1, -1)


@pytest.fixture
def executor() -> Iterator[PromptLocalExecutor]:
    """An executor with one idle worker."""
    untyped: Any = PromptLocalExecutor
    made = untyped(parallelism=1)
    made.start()
    yield made
    made.end()


def test_the_end_of_a_task_ends_the_wait(
    executor: PromptLocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_executor, "WAIT_SECONDS", 600)
    Timer(0.1, executor.result_queue.put, [(_KEY, TaskInstanceState.SUCCESS, None)]).start()

    executor.sync()

    assert executor.get_event_buffer() == {_KEY: (TaskInstanceState.SUCCESS, None)}


def test_nothing_ends_and_the_scheduler_goes_on(
    executor: PromptLocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_executor, "WAIT_SECONDS", 0.05)

    executor.sync()

    assert executor.get_event_buffer() == {}
