"""The graph of transform_posts."""

import inspect

import pytest
from airflow.sdk import DAG

pytestmark = pytest.mark.unit


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
