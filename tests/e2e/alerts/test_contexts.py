"""Failures and recoveries are reported in time for each of the three ways to start a run."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.alerts.harness import Harness, say
from tests.stack import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(600)]

_CAUSES = Path(__file__).parent / "causes.py.txt"
_CONTEXTS = ("manual", "scheduled", "triggered")
_EVER = datetime(2020, 1, 1, tzinfo=UTC)


class Way(NamedTuple):
    """A way to fail: its alert's words, when it was certain, and the goal in seconds."""

    name: str
    words: str
    certain_at: Callable[[Harness, str, Path], datetime]
    goal: float


def _task_ended(harness: Harness, dag_id: str, _: Path) -> datetime:
    run_id = _run_id(harness, dag_id)
    [task] = wait_for(  # the alert comes before Airflow stores the end
        lambda: harness.stack.airflow.tasks(dag_id, run_id), lambda tasks: tasks[0]["end_date"], 60
    )
    return datetime.fromisoformat(task["end_date"])


def _killed(_: Harness, dag_id: str, more_dags: Path) -> datetime:
    return datetime.fromtimestamp((more_dags / f"{dag_id}.killed").stat().st_mtime, UTC)


def _run_ended(harness: Harness, dag_id: str, _: Path) -> datetime:
    return datetime.fromisoformat(
        harness.stack.airflow.run(dag_id, _run_id(harness, dag_id))["end_date"]
    )


def _run_id(harness: Harness, dag_id: str) -> str:
    [run] = harness.stack.airflow.runs_since(dag_id, _EVER)
    return str(run["dag_run_id"])


_WAYS = [
    Way("raises", "failed", _task_ended, 5),
    Way("killed", "failed", _killed, 30),
    Way("overdue", "timed out", _run_ended, 30),
]


@pytest.mark.parametrize("way", _WAYS, ids=[way.name for way in _WAYS])
def test_a_failure_is_reported_and_its_end_too_from_every_context(
    harness: Harness, more_dags: Path, way: Way
) -> None:
    harness.room(len(_CONTEXTS))  # two of the DAGs run as soon as Airflow has parsed them
    shutil.copy(_CAUSES, more_dags / f"{way.name}.py")
    wait_for(lambda: harness.stack.airflow.dag(f"{way.name}_manual"), bool, 90)
    harness.stack.airflow.trigger(f"{way.name}_manual", {})

    for context in _CONTEXTS:
        dag_id = f"{way.name}_{context}"
        sent = harness.wait_for_alert(f"{dag_id} {way.words}", "opened", 120)
        seconds = (sent["slack"] - way.certain_at(harness, dag_id, more_dags)).total_seconds()
        say(f"{way.name}, {context}: alert {seconds:+.1f} s after it was certain")
        assert seconds <= way.goal
        assert all("PLANTED" not in one.whole for one in harness.messages(dag_id))
        slacked = [one for one in harness.messages(dag_id) if one.channel == "slack"]
        assert all("<!channel>" not in one.whole for one in slacked)  # mail has no mentions

    harness.room(len(_CONTEXTS))
    (more_dags / f"{way.name}.mended").touch()
    for context in _CONTEXTS:
        dag_id = f"{way.name}_{context}"
        harness.stack.airflow.clear(dag_id, _run_id(harness, dag_id))
    for context in _CONTEXTS:
        dag_id = f"{way.name}_{context}"
        harness.wait_for_alert(dag_id, "recovered", 120)
        harness.assert_delivered_once(dag_id, f"{dag_id}/run-failed")
