"""The safe path: report every problem that exists now. Invariant: it depends on state alone.

It does not depend on callbacks. A component that does not answer is an incident like any other.
Without the warehouse, no table can record what was reported. The caller then stores a note, and the
first run with the warehouse copies the note into the table.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests

from scripts.alerts import delivery, incident_table
from scripts.alerts.airflow_api import AirflowApi
from scripts.alerts.airflow_state import SEEN_IN_AIRFLOW, read_airflow_state
from scripts.alerts.build_state import read_build_state
from scripts.alerts.causes import Findings, plan
from scripts.alerts.channels import Channel
from scripts.alerts.incident import FAILURES, IncidentRecord, Kind, no_answer
from scripts.alerts.incident_table import Connection, UnrecordedAlert
from scripts.alerts.ledger_state import WatchResult, read_ledger_state
from scripts.errors import PipelineError, UnavailableError
from scripts.settings import Deployment, RunSettings

_HEARTBEAT_SECONDS = 10
_GOOD = 2  # the class of status 200
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MonitorContext:
    """The inputs of `monitor`. Without `airflow`, which opens the REST API, it skips Airflow.

    `dsn` is of role loader, and `dbt_dsn` of transformer.
    """

    dsn: str
    dbt_dsn: str
    channels: Sequence[Channel]
    place: Deployment
    settings: RunSettings
    airflow_url: str
    airflow: Callable[[], AirflowApi] | None = None


def monitor(context: MonitorContext, state: WatchResult, note: list[Any]) -> list[Any]:
    """Open, report and close incidents. Then ping the dead-man's switch.

    `note` is the return value of the previous run, or []. It is plain JSON.
    """
    now = datetime.now(UTC)
    alerts = msgspec.convert(note, list[UnrecordedAlert])
    try:
        with incident_table.connected(context.dsn) as connection:
            for alert in alerts:
                incident_table.record_earlier(connection, alert)
            alerts = []
            unreported = _update_table(connection, context, state, now)
    except UnavailableError as error:
        alerts = _report_without_table(context, error, alerts, now)
        unreported = sum(not alert.channels for alert in alerts)
    _ping(context.place.heartbeat_url, is_well=not (unreported and context.channels))
    return list(msgspec.to_builtins(alerts))


def _update_table(
    connection: Connection, context: MonitorContext, state: WatchResult, now: datetime
) -> int:
    """Open, report and close incidents. Return how many have reached no channel."""
    channels, place = context.channels, context.place
    delivery.deliver(connection, channels, place)  # before the checks, which can be slow
    open_now = incident_table.read_incidents(connection, only_open=True)
    ledger = read_ledger_state(connection, state, context.settings, now)
    build = read_build_state(context.dbt_dsn, context.settings, now)
    airflow = _check_airflow(context, open_now, now)
    failing = delivery.failing_channels(connection, channels)
    present = [*ledger.incidents, *build.incidents, *airflow.incidents, *failing]
    observed = set(Kind) - ledger.unknown - build.unknown - airflow.unknown
    changes = plan(present, open_now, observed, airflow.succeeded)
    for fingerprint in changes.to_close:
        incident_table.close_incident(connection, fingerprint)
    for incident in changes.to_record:
        # A channel that fails is reported on the other channels.
        subject = incident.subject if incident.kind is Kind.DELIVERY_FAILED else ""
        names = [channel.name for channel in channels if channel.name != subject]
        incident_table.record_sighting(connection, incident, names)
    delivery.deliver(connection, channels, place)
    return delivery.count_unreported(connection)


def _check_airflow(
    context: MonitorContext, open_now: Sequence[IncidentRecord], now: datetime
) -> Findings:
    if context.airflow is None:
        _log.warning("connection airflow_api is not set: only callbacks report failed runs")
        return Findings([], SEEN_IN_AIRFLOW)
    try:
        return read_airflow_state(context.airflow(), open_now, context.airflow_url, now)
    except PipelineError as error:
        return Findings([no_answer("Airflow API", error)], SEEN_IN_AIRFLOW)


def _report_without_table(
    context: MonitorContext, error: UnavailableError, alerts: list[UnrecordedAlert], now: datetime
) -> list[UnrecordedAlert]:
    """Report each problem once. Failed runs are left to their callbacks."""
    incidents = [no_answer("warehouse", error), *_check_airflow(context, [], now).incidents]
    reported = {alert.incident.fingerprint: alert for alert in alerts if alert.channels}
    for incident in incidents:
        if incident.kind not in FAILURES and incident.fingerprint not in reported:
            names = delivery.send_without_table(incident, context.channels, context.place)
            reported[incident.fingerprint] = UnrecordedAlert(incident, now, names)
    return list(reported.values())


def _ping(url: str, *, is_well: bool) -> None:
    """Ping the dead-man's switch. If an incident reached no channel, ping its URL for failures."""
    if not url:
        return
    try:
        target = url if is_well else f"{url.rstrip('/')}/fail"
        answer = requests.get(target, timeout=_HEARTBEAT_SECONDS, allow_redirects=False)
        if answer.status_code // 100 != _GOOD:
            _log.warning("HEARTBEAT_URL answers %s, expected 2xx", answer.status_code)
    except requests.RequestException as error:  # only the type, because the URL is a secret
        _log.warning("HEARTBEAT_URL did not accept the ping: %s", type(error).__name__)
