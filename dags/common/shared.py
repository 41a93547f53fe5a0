"""What the DAGs share: assets, defaults, and connections turned into plain values for scripts/.

Invariant: an Airflow connection or variable is read here, at run time, and nowhere in scripts/.
"""

from __future__ import annotations

import functools
import operator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.definitions.asset import BaseAsset
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from callbacks import alert_recovery, alert_run_failure, alert_task_failure
from scripts.settings import Endpoint, RunSettings, api_of, deployment, dsn_of
from sources import SOURCES

if TYPE_CHECKING:
    from scripts.landing.store import Store
    from sources import Source

DEPLOYMENT = deployment()
START = datetime(2020, 1, 1, tzinfo=UTC)  # far back and fixed: a manual day before it runs nothing
POSTS_MARTS = Asset("posts_marts")
LANDING_SWEEP = Asset("landing_sweep")

DAG_DEFAULTS: dict[str, Any] = {
    "start_date": START,
    "catchup": False,
    "on_failure_callback": alert_run_failure,
    "on_success_callback": alert_recovery,
    "default_args": {
        "owner": DEPLOYMENT.owner,
        "retries": DEPLOYMENT.task_retries,
        "retry_delay": timedelta(seconds=DEPLOYMENT.retry_delay_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=15),
        # Bad data and bad settings are the same on every try: fail at once, and say so.
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


def raw_asset(source: Source) -> Asset:
    """Return the asset (called Dataset before Airflow 3) of a source's landed days."""
    return Asset(f"raw_{source.name}")


def arrivals() -> BaseAsset:
    """Return what may bring data: *any* of it triggers a look; a list would mean all of it."""
    known: list[BaseAsset] = [raw_asset(source) for source in SOURCES.values()]
    if DEPLOYMENT.landing_queue_url:
        known.append(_landing_queue(DEPLOYMENT.landing_queue_url))
    return functools.reduce(operator.or_, [*known, LANDING_SWEEP])


def _landing_queue(url: str) -> Asset:
    """Return the asset of outside arrivals: the bucket's notifications, through SQS."""
    from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger

    trigger = MessageQueueTrigger(
        scheme="sqs",
        sqs_queue=url,
        aws_conn_id="aws_default",
        wait_time_seconds=DEPLOYMENT.queue_wait_seconds,  # it answers as soon as there is one
        waiter_delay=1,
        max_messages=10,
    )
    return Asset("landing_queue", watchers=[AssetWatcher(name="landing_queue", trigger=trigger)])


def run_settings() -> RunSettings:
    """Read the Airflow variable ``pipeline`` (a JSON object, may be absent) over the defaults."""
    from airflow.sdk import Variable

    return RunSettings.parse(Variable.get("pipeline", default={}, deserialize_json=True))


def landing_store(aws_conn_id: str = "aws_default") -> Store:
    """Open the landing bucket; load and look with ``aws_default``, ingest with its own."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from scripts.landing.store import CLIENT_CONFIG, Store

    hook = S3Hook(aws_conn_id=aws_conn_id, config=CLIENT_CONFIG)
    return Store(hook.get_conn(), DEPLOYMENT.bucket())


def posts_api() -> Endpoint:
    """Return the API of connection ``posts_api``."""
    from airflow.sdk import Connection

    return api_of(Connection.get("posts_api"))


def warehouse_dsn() -> str:
    """Return the DSN of connection ``warehouse``, role loader."""
    from airflow.sdk import Connection

    return dsn_of(Connection.get("warehouse"))


def transformer_dsn() -> str:
    """Return the DSN of connection ``dbt_postgres_conn``, role transformer."""
    from airflow.sdk import Connection

    return dsn_of(Connection.get("dbt_postgres_conn"))


def day_of(dag_run: Any) -> date:
    """Return the day a run is for: of its logical date, or, without one, of when it was asked."""
    moment: datetime = dag_run.logical_date or dag_run.run_after
    return moment.astimezone(UTC).date()
