"""A failure is told in time, and its end too, from each of the three ways in which a run starts."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.alerts.desk import Desk, say
from tests.stack import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(600)]

_CAUSES = Path(__file__).parent / "causes.py.txt"
_CONTEXTS = ("manual", "scheduled", "triggered")
_EVER = datetime(2020, 1, 1, tzinfo=UTC)


class Way(NamedTuple):
    """A way to fail: how it is told, when it was certain, and how many seconds it may take."""

    name: str
    words: str
    certain_at: Callable[[Desk, str, Path], datetime]
    goal: float


def _task_ended(desk: Desk, dag_id: str, _: Path) -> datetime:
    run_id = _run_id(desk, dag_id)
    [task] = wait_for(  # it is told before Airflow is
        lambda: desk.stack.airflow.tasks(dag_id, run_id), lambda tasks: tasks[0]["end_date"], 60
    )
    return datetime.fromisoformat(task["end_date"])


def _killed(_: Desk, dag_id: str, more_dags: Path) -> datetime:
    return datetime.fromtimestamp((more_dags / f"{dag_id}.killed").stat().st_mtime, UTC)


def _run_ended(desk: Desk, dag_id: str, _: Path) -> datetime:
    return datetime.fromisoformat(desk.stack.airflow.run(dag_id, _run_id(desk, dag_id))["end_date"])


def _run_id(desk: Desk, dag_id: str) -> str:
    [run] = desk.stack.airflow.runs_since(dag_id, _EVER)
    return str(run["dag_run_id"])


_WAYS = [
    Way("raises", "failed", _task_ended, 5),
    Way("killed", "failed", _killed, 30),
    Way("overdue", "timed out", _run_ended, 30),
]


@pytest.mark.parametrize("way", _WAYS, ids=[way.name for way in _WAYS])
def test_a_failure_is_told_and_its_end_too_from_every_context(
    desk: Desk, more_dags: Path, way: Way
) -> None:
    desk.room(len(_CONTEXTS))  # two of them run as soon as Airflow knows them
    shutil.copy(_CAUSES, more_dags / f"{way.name}.py")
    wait_for(lambda: desk.stack.airflow.dag(f"{way.name}_manual"), bool, 90)
    desk.stack.airflow.trigger(f"{way.name}_manual", {})

    for context in _CONTEXTS:
        dag_id = f"{way.name}_{context}"
        told = desk.told(f"{dag_id} {way.words}", "opened", 120)
        seconds = (told["slack"] - way.certain_at(desk, dag_id, more_dags)).total_seconds()
        say(f"{way.name}, {context}: told {seconds:+.1f} s after it was certain")
        assert seconds <= way.goal
        assert all("PLANTED" not in one.whole for one in desk.messages(dag_id))
        slacked = [one for one in desk.messages(dag_id) if one.channel == "slack"]
        assert all("<!channel>" not in one.whole for one in slacked)  # a mail calls nobody

    desk.room(len(_CONTEXTS))
    (more_dags / f"{way.name}.mended").touch()
    for context in _CONTEXTS:
        dag_id = f"{way.name}_{context}"
        desk.stack.airflow.clear(dag_id, _run_id(desk, dag_id))
    for context in _CONTEXTS:
        dag_id = f"{way.name}_{context}"
        desk.told(dag_id, "recovered", 120)
        desk.assert_told_once(dag_id, f"{dag_id}/run-failed")
