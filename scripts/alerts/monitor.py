"""The safe path: what is wrong now is told, whatever callbacks did. Invariant: state alone decides.

It goes on where a part does not answer: that is an incident like others. Without the warehouse
there is no table to remember what was told, so the caller keeps a small note of it, and the first
look that has the table again adopts it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests

from scripts.alerts import incident_table
from scripts.alerts.airflow_api import AirflowApi
from scripts.alerts.airflow_state import SEEN_IN_AIRFLOW, read_airflow_state
from scripts.alerts.causes import plan
from scripts.alerts.channels import Channel
from scripts.alerts.delivery import count_unreported, deliver, failing_channels, send_without_table
from scripts.alerts.incident import FAILURES, Incident, Kind, no_answer
from scripts.alerts.ledger_state import (
    SEEN_BY_WATCH,
    SEEN_IN_LEDGER,
    ledger_incidents,
    watched_incidents,
)
from scripts.errors import PipelineError, UnavailableError
from scripts.reconcile.watch import PipelineState
from scripts.settings import Deployment, RunSettings

_HEARTBEAT_SECONDS = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MonitorContext:
    """What a patrol works with; `airflow` opens the REST API, or is None where none is known."""

    dsn: str
    channels: Sequence[Channel]
    place: Deployment
    settings: RunSettings
    airflow_url: str
    airflow: Callable[[], AirflowApi] | None = None


class UnrecordedAlert(msgspec.Struct):
    """An incident that was told while there was no table: since when, and on which channels."""

    incident: Incident
    opened_at: datetime
    channels: list[str]


@dataclass
class _Findings:
    """What was looked at, and what is wrong there."""

    incidents: list[Incident]
    observed: set[Kind]
    succeeded: set[str]


def monitor(
    post: MonitorContext, seen: PipelineState | UnavailableError, note: list[Any]
) -> list[Any]:
    """Open, tell and close incidents; then ping the dead-man's switch.

    Args:
        post: doors and settings.
        seen: landing zone and ledger as `scripts.reconcile.watch` saw them, or why it could not.
        note: what the patrol before this one returned, or [].

    Returns:
        plain JSON to hand to the next patrol.
    """
    now = datetime.now(UTC)
    told = msgspec.convert(note, list[UnrecordedAlert])
    try:
        with incident_table.connected(post.dsn) as connection:
            for one in told:
                incident_table.record_earlier(connection, one.incident, one.channels, one.opened_at)
            told = []
            unheard = _tabled(connection, post, seen, now)
    except UnavailableError as error:
        told = _untabled(post, error, told, now)
        unheard = sum(not one.channels for one in told)
    heartbeat(post.place.heartbeat_url, is_well=not (unheard and post.channels))
    kept: list[Any] = msgspec.to_builtins(told)
    return kept


def heartbeat(url: str, *, is_well: bool) -> None:
    """Ping the dead-man's switch; where nobody could be told, say so there: it tells somebody."""
    if not url:
        return
    try:
        target = url if is_well else f"{url.rstrip('/')}/fail"
        requests.get(target, timeout=_HEARTBEAT_SECONDS).raise_for_status()
    except requests.RequestException as error:  # its URL is a secret: only the type is told
        _log.warning("the heartbeat was not taken: %s", type(error).__name__)


def _tabled(
    connection: incident_table.Connection,
    post: MonitorContext,
    seen: PipelineState | UnavailableError,
    now: datetime,
) -> int:
    """Bring the table up to what is seen and send what is owed; return how many nobody heard of."""
    names = [channel.name for channel in post.channels]
    deliver(connection, post.channels, post.place)  # first what is owed: a part may be slow
    open_now = incident_table.read_incidents(connection, only_open=True)
    found = _look(connection, post, seen, now)
    _look_at_airflow(post, found, open_now, now)
    failing = failing_channels(connection, names)
    found.incidents += [_delivery_failed(name, error) for name, error in failing.items()]
    to_do = plan(found.incidents, open_now, found.observed, found.succeeded)
    for fingerprint in to_do.close:
        incident_table.close(connection, fingerprint)
    for incident in to_do.see:
        # A channel that takes nothing is told of on the others.
        is_about = incident.subject if incident.kind is Kind.DELIVERY_FAILED else ""
        incident_table.see(connection, incident, [name for name in names if name != is_about])
    deliver(connection, post.channels, post.place)
    return count_unreported(connection)


def _look(
    connection: incident_table.Connection,
    post: MonitorContext,
    seen: PipelineState | UnavailableError,
    now: datetime,
) -> _Findings:
    found = _Findings(
        [*ledger_incidents(connection, post.settings, now)],
        {*SEEN_IN_LEDGER, Kind.DELIVERY_FAILED, Kind.NO_ANSWER},
        set(),
    )
    if isinstance(seen, PipelineState):
        found.incidents += watched_incidents(seen, post.settings)
        found.observed |= SEEN_BY_WATCH
    else:
        found.incidents.append(no_answer("landing zone", seen))
    return found


def _look_at_airflow(
    post: MonitorContext, found: _Findings, open_now: Sequence[Any], now: datetime
) -> None:
    if post.airflow is None:
        _log.warning("no connection airflow_api: failed runs are told by callbacks alone")
        return
    try:
        airflow = read_airflow_state(post.airflow(), open_now, post.airflow_url, now)
    except PipelineError as error:
        found.incidents.append(no_answer("Airflow API", error))
        return
    found.incidents += airflow.incidents
    found.observed |= SEEN_IN_AIRFLOW
    found.succeeded |= airflow.succeeded


def _untabled(
    post: MonitorContext, error: UnavailableError, told: list[UnrecordedAlert], now: datetime
) -> list[UnrecordedAlert]:
    """Tell what is wrong once, without the table; failed runs are left to their callbacks."""
    found = _Findings([no_answer("warehouse", error)], set(), set())
    _look_at_airflow(post, found, [], now)
    heard = {one.incident.fingerprint: one for one in told if one.channels}
    for incident in found.incidents:
        if incident.kind not in FAILURES and incident.fingerprint not in heard:
            channels = send_without_table(incident, post.channels, post.place)
            heard[incident.fingerprint] = UnrecordedAlert(incident, now, channels)
    return list(heard.values())


def _delivery_failed(channel: str, error: str) -> Incident:
    return Incident.new(Kind.DELIVERY_FAILED, channel, facts={"Error": error})
