"""The guarantees that every DAG gives."""

import inspect
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from callbacks import alert_recovery, alert_run_failure, alert_task_failure
from dags.common.dbt_tasks import prepare_dbt
from dags.common.retry_policy import WarehousePolicy
from scripts.settings import Deployment

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[4]
_DAGS = _ROOT / "dags"
_DAG_IDS = [
    "ingest_comments",
    "ingest_posts",
    "ingest_users",
    "transform_posts",
    "watch_pipeline",
]


@pytest.fixture(scope="session")
def dags() -> dict[str, DAG]:
    bag = DagBag(_DAGS, load_op_links=False)
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_exactly_these_dags_exist(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == _DAG_IDS


@pytest.mark.parametrize("dag_id", _DAG_IDS)
def test_a_dag_has_owner_tags_docs_and_a_fixed_start(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.owner == "data-team"
    assert dag.tags
    assert "**Rerun**" in str(dag.doc_md)
    assert "**Triage**" in str(dag.doc_md)
    assert dag.start_date is not None
    assert (dag.start_date.isoformat(), dag.catchup) == ("2020-01-01T00:00:00+00:00", False)


@pytest.mark.parametrize("dag_id", _DAG_IDS)
def test_a_dag_and_its_tasks_have_limits_and_tell_somebody(
    dags: dict[str, DAG], dag_id: str
) -> None:
    dag = dags[dag_id]
    assert dag.on_failure_callback == alert_run_failure
    assert dag.on_success_callback == alert_recovery
    assert dag.dagrun_timeout
    for task in dag.tasks:
        assert task.on_failure_callback == [alert_task_failure], task.task_id
        assert task.execution_timeout
        assert task.execution_timeout <= timedelta(hours=1)
        assert task.owner == "data-team"


@pytest.mark.parametrize("dag_id", _DAG_IDS)
def test_our_own_steps_are_retried_but_a_refusal_is_not(dags: dict[str, DAG], dag_id: str) -> None:
    steps = [task for task in dags[dag_id].tasks if task.task_id in {"land", "load", "look"}]
    assert steps
    for task in steps:
        assert task.retries == 3
        assert task.retry_exponential_backoff == 2.0
        assert "PermanentError" in str(task.retry_policy and task.retry_policy.serialize())


def test_dbt_is_tried_again_only_when_the_warehouse_was_away(dags: dict[str, DAG]) -> None:
    tasks = [t for t in dags["transform_posts"].tasks if t.task_id != "load"]
    assert len(tasks) > 5
    for task in tasks:
        assert task.retries == 3
        assert isinstance(task.retry_policy, WarehousePolicy), task.task_id


def test_transform_names_no_date_of_a_run(dags: dict[str, DAG]) -> None:
    """An asset-triggered run has no logical date, and a template that uses one fails the task."""
    names = ("ds", "ts", "logical_date", "data_interval_start", "data_interval_end")
    for task in dags["transform_posts"].tasks:
        for field in task.template_fields:
            text = str(getattr(task, field, ""))
            assert not [n for n in names if "{{ " + n in text], (task.task_id, field)
        function = getattr(task, "python_callable", None)
        parameters = inspect.signature(function).parameters if function else {}
        assert not set(names) & set(parameters), task.task_id


def test_every_dbt_task_takes_the_lock_and_only_one_run_goes_at_a_time(
    dags: dict[str, DAG],
) -> None:
    dag = dags["transform_posts"]
    dbt = [task for task in dag.tasks if type(task).__module__.startswith("cosmos.")]
    assert {task.task_id for task in dag.tasks} - {task.task_id for task in dbt} == {"load"}
    for task in dbt:
        assert getattr(task, "_pre_execute_hook", None) is prepare_dbt, task.task_id
    assert dag.max_active_runs == 1


@pytest.mark.parametrize("dag_id", _DAG_IDS)
def test_parsing_twice_gives_the_same_dag(dags: dict[str, DAG], dag_id: str) -> None:
    again = DagBag(_DAGS, load_op_links=False).dags[dag_id]
    assert _serialised(again) == _serialised(dags[dag_id])


def _serialised(dag: DAG) -> dict[str, Any]:
    text = json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)
    serialised: dict[str, Any] = json.loads(text)
    return serialised


def test_the_graph_of_transform(dags: dict[str, DAG]) -> None:
    """A change of the graph must change this test, so that a review shows it."""
    dag = dags["transform_posts"]
    edges = {
        f"{task.task_id} → {below}" for task in dag.tasks for below in task.downstream_task_ids
    }
    assert "load → test_sources" in edges
    assert "load → dbt.pinned_loads_model_build" in edges
    assert "test_sources → publish" in edges
    assert "dbt.pinned_loads_model_build → dbt.stg_posts_model_build" in edges
    leaves = {task.task_id for task in dag.tasks if not task.downstream_task_ids}
    assert leaves == {"publish"}


def test_one_setting_builds_all_models_in_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dags.common.dbt_tasks.DEPLOYMENT", Deployment(dbt_single_task=True))
    dag = DagBag(_DAGS / "transform_posts.py", load_op_links=False).dags["transform_posts"]
    assert dag.task_ids == ["load", "dbt.build_and_publish"]
    build: Any = dag.get_task("dbt.build_and_publish")
    assert build.env["PIPELINE_DBT_PUBLISH"] == "true"
    assert build.env["DBT_EXCLUDE_RESOURCE_TYPES"] == "unit_test"
    assert build.cache_dir
    assert "manual" in build.full_refresh


@pytest.mark.parametrize("file", ["ingest.py", "transform_posts.py", "watch_pipeline.py"])
def test_a_dag_file_is_a_table_of_contents(file: str) -> None:
    assert len((_DAGS / file).read_text().splitlines()) <= 110


def test_importing_the_dags_opens_no_socket(tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "def refuse(*_args, **_kwargs): raise AssertionError('a DAG file opened a socket')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(_DAGS)!r}, load_op_links=False)\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "print(sorted(bag.dags))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(_ROOT), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(_DAG_IDS)
