"""The dbt tasks: what drawing the graph may not do."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from dags.common.dbt_tasks import prepare_dbt
from scripts.settings import Deployment
from tests.unit.dags.conftest import DAGS, ROOT

pytestmark = pytest.mark.unit


def test_drawing_the_graph_writes_nothing_to_the_cache(tmp_path: Path) -> None:
    """A DAG file is parsed every few minutes, by processes that may not write anywhere."""
    cache = tmp_path / "cosmos"
    done = subprocess.run(
        [sys.executable, "-c", "import dags.transform_posts"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'deploy' / 'airflow'}",
            "AIRFLOW__COSMOS__CACHE_DIR": str(cache),
            "PIPELINE_DBT_SINGLE_TASK": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list(cache.rglob("transform_posts__single")), "created while parsing"


def test_every_dbt_task_takes_the_lock_and_only_one_run_goes_at_a_time(
    dags: dict[str, DAG],
) -> None:
    dag = dags["transform_posts"]
    dbt = [task for task in dag.tasks if "cosmos." in str(type(task).__mro__)]
    assert {task.task_id for task in dag.tasks} - {task.task_id for task in dbt} == {"load"}
    for task in dbt:
        assert getattr(task, "_pre_execute_hook", None) is prepare_dbt, task.task_id
    assert dag.max_active_runs == 1


def test_one_setting_builds_all_models_in_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dags.common.dbt_tasks.DEPLOYMENT", Deployment(dbt_single_task=True))
    dag = DagBag(DAGS / "transform_posts.py", load_op_links=False).dags["transform_posts"]
    assert dag.task_ids == ["load", "dbt.build_and_publish"]
    build: Any = dag.get_task("dbt.build_and_publish")
    assert build.env["PIPELINE_DBT_PUBLISH"] == "true"
    assert build.env["DBT_EXCLUDE_RESOURCE_TYPES"] == "unit_test"
    assert build.cache_dir
    assert "manual" in build.full_refresh
