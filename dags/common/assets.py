"""The assets (called Datasets before Airflow 3) that connect the DAGs."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING

from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.definitions.asset import BaseAsset

from dags.common.defaults import DEPLOYMENT
from sources import SOURCES

if TYPE_CHECKING:
    from sources import Source

POSTS_MARTS = Asset("posts_marts")
LANDING_SWEEP = Asset("landing_sweep")


def raw_asset(source: Source) -> Asset:
    """Return the asset (called Dataset before Airflow 3) of a source's landed days."""
    return Asset(f"raw_{source.name}")


def arrivals() -> BaseAsset:
    """Return the assets that may bring data. *Any* of them triggers a run."""
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
        wait_time_seconds=DEPLOYMENT.queue_wait_seconds,  # long polling: a message ends the wait
        waiter_delay=1,
        max_messages=10,
    )
    return Asset("landing_queue", watchers=[AssetWatcher(name="landing_queue", trigger=trigger)])
