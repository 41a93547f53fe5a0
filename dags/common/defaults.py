"""What every DAG has in common: start date, owner, retries and callbacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from callbacks import alert_recovery, alert_run_failure, alert_task_failure
from scripts.settings import deployment

DEPLOYMENT = deployment()

DAG_DEFAULTS: dict[str, Any] = {
    # Constant, and before any day: a run for a day before the start date has no task and succeeds.
    "start_date": datetime(2, 1, 1, tzinfo=UTC),
    "catchup": False,
    "on_failure_callback": alert_run_failure,
    "on_success_callback": alert_recovery,
    "default_args": {
        "owner": DEPLOYMENT.owner,
        "retries": DEPLOYMENT.task_retries,
        "retry_delay": timedelta(seconds=DEPLOYMENT.retry_delay_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=15),
        # Bad data and bad settings are the same on every try: fail immediately.
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    exception="scripts.errors.PermanentError",
                    action=RetryAction.FAIL,
                    reason="the same call would fail again",
                )
            ]
        ),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": alert_task_failure,
    },
}


def defaults_of(owner: str | None) -> dict[str, Any]:
    """Return the defaults with another owner, or the same ones if it is None."""
    args = DAG_DEFAULTS["default_args"]
    return {**DAG_DEFAULTS, "default_args": {**args, "owner": owner or args["owner"]}}
