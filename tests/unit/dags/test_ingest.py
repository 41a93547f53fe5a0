"""One ingest DAG per declared source."""

from typing import Any

import pytest
from airflow.sdk import DAG, Asset

from dags.ingest import ingest_dag
from sources import SOURCES
from tests.orders import EVENTS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_has_a_dag_that_lands_it_and_publishes_its_asset(
    dags: dict[str, DAG], source: str
) -> None:
    dag = dags[f"ingest_{source}"]
    [land] = dag.tasks
    outlets: Any = land.outlets
    assert (land.task_id, [asset.name for asset in outlets]) == ("land", [f"raw_{source}"])
    assert source in dag.tags
    assert dag.max_active_runs == 4


@pytest.mark.parametrize("source", SOURCES)
def test_a_manual_run_may_name_another_day(dags: dict[str, DAG], source: str) -> None:
    params = dags[f"ingest_{source}"].params
    assert params["day"] is None
    assert params.get_param("day").schema["format"] == "date"


def test_a_child_runs_alone_when_its_parent_has_landed() -> None:
    dag: Any = ingest_dag(EVENTS)
    assert dag.dag_id == "ingest_events"
    assert dag.max_active_runs == 1
    assert dag.timetable.asset_condition == Asset("raw_orders")
    [land] = dag.tasks
    assert [asset.name for asset in land.outlets] == ["raw_events"]
