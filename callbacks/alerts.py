"""The failure callbacks of tasks and runs. Invariant: one message a channel for each failed run.

Airflow calls the task's callback in the task's process and the run's in the dag-processor; a killed
task has only the second, most failures have both. The incident's row in the warehouse decides which
of them speaks. Without the warehouse both do: twice is better than never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from callbacks.channels import Channel, channels
from callbacks.message import Failure, failure_of
from scripts.errors import PipelineError
from scripts.incidents.store import open_incident
from scripts.settings import dsn_of

_log = logging.getLogger(__name__)


def alert_task_failure(context: Mapping[str, Any]) -> None:
    """Tell every configured channel that a task has failed for good."""
    _never_raise(_alert, context)


def alert_run_failure(context: Mapping[str, Any]) -> None:
    """Tell every configured channel that a run has failed, unless one of its tasks did so."""
    _never_raise(_alert, context)


def _alert(context: Mapping[str, Any]) -> None:
    failure = failure_of(context)
    if _is_told_already(failure):
        _log.info("incident %s is open and has been told", failure.fingerprint)
        return
    for channel in channels():
        _never_raise(_send, channel, failure)


def _send(channel: Channel, failure: Failure) -> None:
    channel.send(failure)
    _log.info("told %s of %s", channel.name, failure.fingerprint)


def _is_told_already(failure: Failure) -> bool:
    try:
        return not open_incident(_warehouse_dsn(), failure.fingerprint)
    except PipelineError as error:
        _log.warning("no warehouse to ask whether somebody was told: %s", error)
        return False


def _warehouse_dsn() -> str:
    from airflow.sdk import Connection

    return dsn_of(Connection.get("warehouse"))


def _never_raise(act: Callable[..., None], *arguments: Any) -> None:
    try:
        act(*arguments)
    except Exception as error:  # noqa: BLE001 - a callback that raises is lost, and others with it
        # Only the type: the text of a library's error may hold a webhook's or a server's secret.
        _log.error("alerting failed in %s: %s", act.__name__, type(error).__name__)
