"""The guarantees that every DAG gives."""

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
from tests.unit.dags.conftest import DAG_IDS, DAGS, ROOT

pytestmark = pytest.mark.unit


def test_exactly_these_dags_exist(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == DAG_IDS


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_has_owner_tags_docs_and_a_fixed_start(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.owner == "data-team"
    assert dag.tags
    assert "**Rerun**" in str(dag.doc_md)
    assert "**Triage**" in str(dag.doc_md)
    assert dag.start_date is not None
    assert (dag.start_date.isoformat(), dag.catchup) == ("0002-01-01T00:00:00+00:00", False)


@pytest.mark.parametrize("dag_id", DAG_IDS)
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


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_our_own_steps_are_retried_but_a_refusal_is_not(dags: dict[str, DAG], dag_id: str) -> None:
    steps = [task for task in dags[dag_id].tasks if task.task_id in {"land", "load", "look"}]
    assert steps
    for task in steps:
        assert task.retries == 3
        assert task.retry_exponential_backoff == 2.0
        assert "PermanentError" in str(task.retry_policy and task.retry_policy.serialize())


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_parsing_twice_gives_the_same_dag(dags: dict[str, DAG], dag_id: str) -> None:
    again = DagBag(DAGS, load_op_links=False).dags[dag_id]
    assert _serialised(again) == _serialised(dags[dag_id])


def _serialised(dag: DAG) -> dict[str, Any]:
    text = json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)
    serialised: dict[str, Any] = json.loads(text)
    return serialised


@pytest.mark.parametrize("file", ["ingest.py", "transform_posts.py", "watch_pipeline.py"])
def test_a_dag_file_is_a_table_of_contents(file: str) -> None:
    assert len((DAGS / file).read_text().splitlines()) <= 110


def test_importing_the_dags_opens_no_socket(tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "def refuse(*_args, **_kwargs): raise AssertionError('a DAG file opened a socket')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        f"bag = DagBag({str(DAGS)!r}, load_op_links=False)\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "print(sorted(bag.dags))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(DAG_IDS)
