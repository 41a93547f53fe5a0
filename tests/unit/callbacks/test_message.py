"""What an alert says, from the smallest context that Airflow can give to the most hostile one."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from callbacks.message import failure_of
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
        "dag_run": SimpleNamespace(
            clear_number=2, logical_date=None, run_after=datetime(2026, 1, 2, tzinfo=UTC)
        ),
        "task_instance": SimpleNamespace(task_id="land", try_number=3),
        "params": {"day": None},
        **more,
    }


def test_the_smallest_context_is_enough() -> None:
    failure = failure_of(_SMALLEST)

    assert failure.subject == "[local] transform_posts failed (no day)"
    assert failure.error == "timed_out"
    assert failure.log_url.endswith("/dags/transform_posts/runs/r1")
    assert "transform_posts" in failure.html()
    assert failure.slack_blocks()


def test_a_full_context_names_task_run_day_error_and_log() -> None:
    failure = failure_of(_context(exception=RefusedError("the answer is no list, at byte 0")))

    assert failure.facts() == {
        "DAG": "ingest_posts",
        "Task": "land",
        "Run": "manual__1+00:00",
        "Day": "2026-01-02",
        "Error": "RefusedError: the answer is no list, at byte 0",
    }
    assert failure.log_url.endswith(
        "/dags/ingest_posts/runs/manual__1%2B00%3A00/tasks/land?try_number=3"
    )


def test_the_named_day_goes_before_the_day_of_the_run() -> None:
    assert failure_of(_context(params={"day": "2025-12-31"})).day == "2025-12-31"
    assert failure_of(_context(params={"days": ["2025-12-30", "2025-12-31"]})).day == (
        "2025-12-30, 2025-12-31"
    )


def test_a_foreign_exception_is_told_by_its_type_alone() -> None:
    failure = failure_of(_context(exception=ValueError("password=hunter2")))

    assert failure.error == "ValueError"
    assert "hunter2" not in failure.html() + str(failure.slack_blocks())


def test_a_run_that_was_cleared_is_another_incident() -> None:
    first = failure_of(_context())
    cleared = failure_of(_context(dag_run=SimpleNamespace(clear_number=3)))
    assert first.fingerprint != cleared.fingerprint


@pytest.mark.parametrize(
    "hostile",
    ["<!channel> & <script>alert(1)</script>", "x" * 10_000, "a\nb\n\nc", '"><img src=x>'],
)
def test_nothing_that_came_from_data_is_interpreted_or_too_long(hostile: str) -> None:
    failure = failure_of(_context(exception=RefusedError(hostile), params={"day": hostile}))

    for block in failure.slack_blocks():
        assert len(block["text"]["text"]) <= 3000
        assert "<!channel>" not in block["text"]["text"]
    assert "<script>" not in failure.html()
    assert "<img" not in failure.html()
    assert "\n" not in failure.subject
