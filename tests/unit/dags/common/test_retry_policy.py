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
        "SSL SYSCALL error: EOF detected",
        "could not receive data from server: Connection timed out",
        "deadlock detected",
        "could not serialize access due to concurrent update",
        "cannot execute MERGE in a read-only transaction",
        "canceling statement due to statement timeout",
        "query_wait_timeout",
        "server login has been failing, cached error: connect failed",
        "could not extend file: No space left on device",
        "FEHLER: Verbindung zum Server wurde abgebrochen",
        "API_SERVER_ERROR: Connection refused",
        "",
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
        'Database Error: syntax error at or near "form"',
        'Database Error: column "titel" does not exist',
        'Database Error: duplicate key value violates unique constraint "fct_posts_pkey"',
        "Database Error: division by zero",
        "Database Error: permission denied for schema marts",
        "Database Error: invalid input syntax for type bigint",
        "Contract Error: this model has an enforced contract that failed",
        "dbt publish: nothing published, run dbt build again: fct_posts has not run",
        "dbt publish: Compilation Error: fct_days has no primary key: add the constraint",
        "syntax error, and then: SSL SYSCALL error: EOF detected",
        "SSL error: certificate verify failed",
        'server certificate for "db" does not match host name "10.0.0.1"',
    ],
)
def test_what_dbt_has_decided_is_final(text: str) -> None:
    assert WarehousePolicy().evaluate(RuntimeError(text)).action is RetryAction.FAIL


def test_a_lock_that_another_dbt_holds_is_waited_for() -> None:
    decision = WarehousePolicy().evaluate(UnavailableError("held"))
    assert decision.action is RetryAction.RETRY
