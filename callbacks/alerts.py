"""The callbacks of tasks and runs. Invariant: a cause is told once, and once more when it is over.

Airflow calls the task's callback in the task's process and the run's in the dag-processor; a killed
task has only the second, most failures have both. The incident's row in the warehouse decides which
of them speaks, and keeps a failure that comes again from being told again. Without the warehouse
all of them speak: twice is better than never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from callbacks.channels import Channel, channels
from callbacks.message import Message, failure_message, recovery_message, run_of
from scripts.errors import PipelineError
from scripts.incidents.store import close_incident, open_incident
from scripts.settings import dsn_of

_log = logging.getLogger(__name__)


def alert_task_failure(context: Mapping[str, Any]) -> None:
    """Tell every configured channel that a task has failed for good."""
    _never_raise(_alert, context)


def alert_run_failure(context: Mapping[str, Any]) -> None:
    """Tell every configured channel that a run has failed, unless one of its tasks did so."""
    _never_raise(_alert, context)


def tell_recovery(context: Mapping[str, Any]) -> None:
    """Close the incident that a good run ends, if one is open, and say so on every channel."""
    _never_raise(_recover, context)


def _alert(context: Mapping[str, Any]) -> None:
    run = run_of(context)
    if _is_told_already(run.fingerprint):
        _log.info("incident %s is open and has been told", run.fingerprint)
        return
    _tell(failure_message(run, context))


def _recover(context: Mapping[str, Any]) -> None:
    run = run_of(context)
    lasted = close_incident(_warehouse_dsn(), run.fingerprint)
    if lasted is not None:
        _tell(recovery_message(run, lasted))


def _tell(message: Message) -> None:
    for channel in channels():
        _never_raise(_send, channel, message)


def _send(channel: Channel, message: Message) -> None:
    channel.send(message)
    _log.info("told %s: %s", channel.name, message.subject)


def _is_told_already(fingerprint: str) -> bool:
    try:
        return not open_incident(_warehouse_dsn(), fingerprint)
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
