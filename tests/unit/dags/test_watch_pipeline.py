"""One short task that looks every few minutes."""

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

pytestmark = pytest.mark.unit


def test_one_task_starts_a_transform_through_its_asset(dags: dict[str, DAG]) -> None:
    dag = dags["watch_pipeline"]
    [look] = dag.tasks
    outlets: Any = look.outlets
    assert [asset.name for asset in outlets] == ["landing_sweep"]
    assert look.execution_timeout == timedelta(minutes=5)
    assert dag.max_active_runs == 1
