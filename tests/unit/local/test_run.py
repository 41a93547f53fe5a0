"""The main job is followed until its result is final, with an Airflow that a test controls."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.run import (
    INGESTS,
    TRANSFORM,
    _earliest_run_after,
    _follow,
    _is_settled,
    _snapshots,
    _wait_for_dags,
    landed_day,
)
from local.stack import Stack
from scripts.errors import UnavailableError
from sources import SOURCES
from tests.unit.local.rest_api import RestApi, rest_api

pytestmark = pytest.mark.unit

_KEYS = {source: f"raw/{source}/2026-01-31.json" for source in SOURCES}
_START = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def airflow() -> Iterator[RestApi]:
    with rest_api() as served:
        yield served


def _run(dag_id: str, state: str, **more: Any) -> dict[str, Any]:
    return {"dag_id": dag_id, "dag_run_id": "r", "state": state, "tasks": [], **more}


def _task(name: str, state: str | None, **more: Any) -> dict[str, Any]:
    empty = {"task_display_name": None, "duration": None, "start_date": None}
    return {"task_id": name, "state": state, **empty, **more}


def _transforms(airflow: RestApi, *runs: dict[str, Any]) -> None:
    airflow.answers[f"/dags/{TRANSFORM}/dagRuns"] = {"dag_runs": list(runs)}


@pytest.mark.parametrize(
    ("source", "named", "landed"),
    [
        ("posts", None, 31),
        ("posts", 30, 30),
        ("earthquakes", None, 30),
        ("earthquakes", 31, 30),
        ("earthquakes", 2, 2),
    ],
)
def test_a_day_that_has_not_ended_is_not_asked_for(
    source: str, named: int | None, landed: int
) -> None:
    day = date(2026, 1, named) if named else None
    assert landed_day(SOURCES[source], day, _START) == date(2026, 1, landed)


def test_every_source_has_its_ingest() -> None:
    assert list(INGESTS) == [f"ingest_{source}" for source in SOURCES]


def test_a_dag_that_does_not_import_is_reported_immediately(airflow: RestApi) -> None:
    error = {"filename": "dags/ingest.py", "stack_trace": "NameError: no such name"}
    airflow.answers |= {"/dags": {"dags": []}, "/importErrors": {"import_errors": [error]}}
    with pytest.raises(UnavailableError, match=r"dags/ingest\.py: NameError: no such name"):
        _wait_for_dags(airflow.client())


def test_the_job_starts_when_every_dag_is_parsed(airflow: RestApi) -> None:
    found = [{"dag_id": dag_id} for dag_id in (*INGESTS, TRANSFORM)]
    airflow.answers |= {
        "/dags": [{"dags": found[:-1]}] * len(found) + [{"dags": found}],
        "/importErrors": {"import_errors": []},
    }
    _wait_for_dags(airflow.client())
    asked = [request.path for request in airflow.server.requests]
    assert asked.count("/api/v2/importErrors") == 1


@pytest.mark.parametrize(("state", "counts"), [("running", True), ("success", False)])
def test_a_transform_that_is_active_at_the_start_counts(
    airflow: RestApi, state: str, *, counts: bool
) -> None:
    earlier = _START - timedelta(minutes=3)
    _transforms(airflow, _run(TRANSFORM, state, run_after=earlier.isoformat()))
    found = _earliest_run_after(airflow.client(), _START)
    assert found == (earlier if counts else _START)


def test_a_failed_ingest_of_the_posts_ends_the_job(airflow: RestApi, tmp_path: Path) -> None:
    airflow.answers |= {
        "/dags/ingest_posts/dagRuns/r": [
            _run("ingest_posts", "running"),
            _run("ingest_posts", "failed"),
        ],
        "/dags/ingest_posts/dagRuns/r/taskInstances": {"task_instances": [_task("land", "failed")]},
    }
    _transforms(airflow)
    runs = {"ingest_posts": "r"}
    seen = list(_snapshots(Stack(tmp_path), airflow.client(), _KEYS, runs, _START))
    assert [[run["state"] for run in runs] for runs in seen] == [["running"], ["failed"]]
    assert seen[-1][0]["tasks"] == [_task("land", "failed")]


@pytest.mark.parametrize(
    ("states", "is_settled"),
    [
        ([], False),
        (["running"], False),
        (["failed", "running"], False),
        (["success", "failed"], True),
    ],
)
def test_the_result_is_final_when_the_last_transform_has_failed(
    tmp_path: Path, states: list[str], *, is_settled: bool
) -> None:
    ingests = [_run("ingest_posts", "success")]
    transforms = [_run(TRANSFORM, state) for state in states]
    assert _is_settled(Stack(tmp_path), _KEYS, ingests, transforms) is is_settled


def test_outside_a_terminal_each_change_is_printed_once() -> None:
    output = io.StringIO()
    snapshots = [
        [_run("d", "running", tasks=[_task("load", "queued"), _task("dbt", None)])],
        [_run("d", "running", tasks=[_task("load", "running"), _task("dbt", "scheduled")])],
        [_run("d", "running", tasks=[_task("load", "running"), _task("dbt", "scheduled")])],
        [_run("d", "success", tasks=[_task("load", "success"), _task("dbt", "skipped")])],
    ]
    last = _follow(snapshots, Console(file=output, width=100))
    assert last == snapshots[-1]
    changes = [line.strip() for line in output.getvalue().splitlines() if ": " in line]
    assert changes == ["d.load: running", "d.load: success"]


def test_the_table_shows_a_task_that_ran_and_no_task_that_was_skipped() -> None:
    output = io.StringIO()
    tasks = [
        _task("dbt.fct_posts", "success", task_display_name="fct_posts", duration=1.26),
        _task("dbt.dim_authors", "skipped"),
        _task("load", "skipped"),
    ]
    _follow([[_run("d", "success", tasks=tasks)]], Console(file=output, width=100))
    rows = [line.split() for line in output.getvalue().splitlines()]
    assert ["fct_posts", "success", "1.3"] in rows
    assert ["load", "skipped"] in rows
    assert "dim_authors" not in output.getvalue()
