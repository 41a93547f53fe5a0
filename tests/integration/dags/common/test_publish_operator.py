"""A publish that is refused says why, in the task whose retry policy reads it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from psycopg.conninfo import conninfo_to_dict

from dags.common.dbt_tasks import _ONE_COMMAND
from dags.common.publish_operator import PublishMarts
from dags.common.retry_policy import WarehousePolicy
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration


@pytest.fixture
def publish(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishMarts:
    parts = conninfo_to_dict(warehouse.transformer)
    connection = {
        "conn_type": "postgres",
        "host": parts["host"],
        "port": int(str(parts["port"])),
        "schema": parts["dbname"],
        "login": parts["user"],
        "password": parts["password"],
    }
    monkeypatch.setenv("AIRFLOW_CONN_DBT_POSTGRES_CONN", json.dumps(connection))
    command = {**_ONE_COMMAND, "cache_dir": tmp_path, "pre_execute": None}
    return PublishMarts(task_id="publish", macro_name="publish", **command)


def test_a_build_that_is_not_there_is_named_and_final(publish: PublishMarts) -> None:
    context: Any = {"task_instance": SimpleNamespace(), "run_id": "r"}
    with pytest.raises(RuntimeError, match="there is no table") as caught:
        publish.execute(context)
    assert "dbt publish: " in str(caught.value)
    assert "nothing published, run dbt build first" in str(caught.value)
    assert WarehousePolicy().evaluate(caught.value).action is RetryAction.FAIL
