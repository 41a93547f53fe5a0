"""The DAG on a lakehouse: one task, which is checked when the DAG is parsed."""

import sys
from datetime import timedelta
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions.retry_policy import RetryAction

from dags.common.lakehouse_operator import BuildOnEngine
from dags.common.retry_policy import WarehousePolicy
from scripts.errors import BuildFailedError, ConfigurationError, UnavailableError
from scripts.settings import Deployment
from tests.unit.dags.conftest import DAGS

pytestmark = pytest.mark.unit


def _parsed(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> DagBag:
    chosen = Deployment(warehouse="delta", lakehouse_root="/lake", **settings)
    monkeypatch.setattr("dags.common.dbt_tasks.DEPLOYMENT", chosen)
    return DagBag(DAGS / "transform_posts.py", load_op_links=False)


def test_one_task_builds_and_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    bag = _parsed(
        monkeypatch,
        spark_remote="sc://host:1",
        lakehouse_python=sys.executable,
        lakehouse_timeout_seconds=77,
    )
    dag = bag.dags["transform_posts"]
    assert dag.task_ids == ["load", "dbt.build_and_publish"]
    assert isinstance(dag.get_task("dbt.build_and_publish"), BuildOnEngine)
    build: Any = dag.get_task("dbt.build_and_publish")
    assert build.execution_timeout > timedelta(seconds=77)
    assert [asset.name for asset in build.outlets] == ["posts_marts", "more_landed"]
    assert "manual" in build.full_refresh


def test_a_missing_setting_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    [error] = _parsed(monkeypatch, spark_remote="sc://host:1").import_errors.values()
    assert "PIPELINE_LAKEHOUSE_PYTHON" in error


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (UnavailableError("the engine did not finish within 9 s"), RetryAction.RETRY),
        (BuildFailedError("dbt build: fct_posts: failed to connect to all"), RetryAction.RETRY),
        (BuildFailedError("dbt build: t: Got 1 result, configured to fail"), RetryAction.FAIL),
        (ConfigurationError("PIPELINE_SPARK_REMOTE is not sc://host:port"), RetryAction.FAIL),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception, action: RetryAction) -> None:
    assert WarehousePolicy().evaluate(error).action is action
