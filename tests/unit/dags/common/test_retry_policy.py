"""A dbt task is retried only where the warehouse was away."""

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.retry_policy import RetryAction

from dags.common.retry_policy import WarehousePolicy
from scripts.errors import UnavailableError

pytestmark = pytest.mark.unit


def test_dbt_is_tried_again_only_when_the_warehouse_was_away(dags: dict[str, DAG]) -> None:
    tasks = [t for t in dags["transform_posts"].tasks if t.task_id != "load"]
    assert len(tasks) > 5
    for task in tasks:
        assert task.retries == 3
        assert isinstance(task.retry_policy, WarehousePolicy), task.task_id


@pytest.mark.parametrize(
    "text",
    [
        'connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused',
        "server closed the connection unexpectedly",
        "FATAL:  the database system is starting up",
        "canceling statement due to lock timeout",
    ],
)
def test_a_warehouse_that_was_away_is_tried_again(text: str) -> None:
    decision = WarehousePolicy().evaluate(RuntimeError(text))
    assert decision.action is RetryAction.RETRY


@pytest.mark.parametrize(
    "text",
    [
        "unique_fct_posts_post_id: Got 3 results, configured to fail if != 0",
        "Got 1 result, configured to fail. Later: server closed the connection unexpectedly",
        'Compilation Error: macro "no_such_macro" is undefined',
    ],
)
def test_what_dbt_has_decided_is_final(text: str) -> None:
    assert WarehousePolicy().evaluate(RuntimeError(text)).action is RetryAction.FAIL


def test_a_lock_that_another_dbt_holds_is_waited_for() -> None:
    decision = WarehousePolicy().evaluate(UnavailableError("held"))
    assert decision.action is RetryAction.RETRY
