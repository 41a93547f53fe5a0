"""What an alert says, from the smallest context that Airflow can give to the most hostile one."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from callbacks.message import Message, failure_message, recovery_message, run_of
from scripts.errors import RefusedError

pytestmark = pytest.mark.unit

_SMALLEST = {
    "dag": SimpleNamespace(dag_id="transform_posts"),
    "run_id": "r1",
    "reason": "timed_out",
}


def _context(**more: Any) -> dict[str, Any]:
    return {
        "dag": SimpleNamespace(dag_id="ingest_posts"),
        "run_id": "manual__1+00:00",
        "dag_run": SimpleNamespace(logical_date=None, run_after=datetime(2026, 1, 2, tzinfo=UTC)),
        "task_instance": SimpleNamespace(task_id="land", try_number=3),
        "params": {"day": None},
        **more,
    }


def _failure(context: dict[str, Any]) -> Message:
    return failure_message(run_of(context), context)


def test_the_smallest_context_is_enough() -> None:
    failure = _failure(_SMALLEST)

    assert failure.subject == "[local] transform_posts failed (all days)"
    assert failure.facts["Error"] == "timed_out"
    assert failure.link.endswith("/dags/transform_posts/runs/r1")
    assert "transform_posts" in failure.html()
    assert failure.slack_blocks()


def test_a_full_context_names_task_run_day_error_and_log() -> None:
    failure = _failure(_context(exception=RefusedError("the answer is no list, at byte 0")))

    assert failure.facts == {
        "DAG": "ingest_posts",
        "Task": "land",
        "Run": "manual__1+00:00",
        "Day": "2026-01-02",
        "Error": "RefusedError: the answer is no list, at byte 0",
    }
    assert failure.link.endswith(
        "/dags/ingest_posts/runs/manual__1%2B00%3A00/tasks/land?try_number=3"
    )


def test_a_cause_is_a_dag_and_its_day() -> None:
    named = run_of(_context(params={"day": "2025-12-31"}))
    assert named.fingerprint == "ingest_posts/2025-12-31"
    assert run_of(_context()).fingerprint == "ingest_posts/2026-01-02"
    assert run_of(_context(params={"days": ["2025-12-30"]})).day == "all days"


def test_a_foreign_exception_is_told_by_its_type_alone() -> None:
    failure = _failure(_context(exception=ValueError("password=hunter2")))

    assert failure.facts["Error"] == "ValueError"
    assert "hunter2" not in failure.html() + str(failure.slack_blocks())


def test_a_recovery_says_how_long_it_lasted() -> None:
    message = recovery_message(run_of(_context()), timedelta(seconds=125.4))
    assert message.subject == "[local] ingest_posts recovered after 0:02:05 (2026-01-02)"


@pytest.mark.parametrize(
    "hostile",
    ["<!channel> & <script>alert(1)</script>", "x" * 10_000, "a\nb\n\nc", '"><img src=x>'],
)
def test_nothing_that_came_from_data_is_interpreted_or_too_long(hostile: str) -> None:
    failure = _failure(_context(exception=RefusedError(hostile), params={"day": hostile}))

    for block in failure.slack_blocks():
        assert len(block["text"]["text"]) <= 3000
        assert "<!channel>" not in block["text"]["text"]
    assert "<script>" not in failure.html()
    assert "<img" not in failure.html()
    assert "\n" not in failure.subject
