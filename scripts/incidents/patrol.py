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

from scripts.airflow_api import AirflowApi
from scripts.errors import PipelineError, UnavailableError
from scripts.incidents import store
from scripts.incidents.airflow_state import SEEN_IN_AIRFLOW, look_at_airflow
from scripts.incidents.channels import Channel
from scripts.incidents.deliver import deliver, failing_channels, send_untabled, untold
from scripts.incidents.derive import plan
from scripts.incidents.incident import FAILURES, Incident, Kind, no_answer
from scripts.incidents.ledger_state import (
    SEEN_BY_WATCH,
    SEEN_IN_LEDGER,
    ledger_incidents,
    watched_incidents,
)
from scripts.settings import Deployment, RunSettings
from scripts.watch import Watched

_HEARTBEAT_SECONDS = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Post:
    """What a patrol works with; `airflow` opens the REST API, or is None where none is known."""

    dsn: str
    channels: Sequence[Channel]
    place: Deployment
    settings: RunSettings
    airflow_url: str
    airflow: Callable[[], AirflowApi] | None = None


class Told(msgspec.Struct):
    """An incident that was told while there was no table: since when, and on which channels."""

    incident: Incident
    opened_at: datetime
    channels: list[str]


@dataclass
class _Seen:
    """What was looked at, and what is wrong there."""

    incidents: list[Incident]
    observed: set[Kind]
    succeeded: set[str]


def patrol(post: Post, seen: Watched | UnavailableError, note: list[Any]) -> list[Any]:
    """Open, tell and close incidents; then ping the dead-man's switch.

    Args:
        post: doors and settings.
        seen: landing zone and ledger as `scripts.watch` saw them, or why it could not.
        note: what the patrol before this one returned, or [].

    Returns:
        plain JSON to hand to the next patrol.
    """
    now = datetime.now(UTC)
    told = msgspec.convert(note, list[Told])
    try:
        with store.connected(post.dsn) as connection:
            for one in told:
                store.adopt(connection, one.incident, one.channels, one.opened_at)
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
    connection: store.Connection, post: Post, seen: Watched | UnavailableError, now: datetime
) -> int:
    """Bring the table up to what is seen and send what is owed; return how many nobody heard of."""
    names = [channel.name for channel in post.channels]
    deliver(connection, post.channels, post.place)  # first what is owed: a part may be slow
    open_now = store.read_incidents(connection, only_open=True)
    found = _look(connection, post, seen, now)
    _look_at_airflow(post, found, open_now, now)
    failing = failing_channels(connection, names)
    found.incidents += [_delivery_failed(name, error) for name, error in failing.items()]
    to_do = plan(found.incidents, open_now, found.observed, found.succeeded)
    for fingerprint in to_do.close:
        store.close(connection, fingerprint)
    for incident in to_do.see:
        # A channel that takes nothing is told of on the others.
        is_about = incident.subject if incident.kind is Kind.DELIVERY_FAILED else ""
        store.see(connection, incident, [name for name in names if name != is_about])
    deliver(connection, post.channels, post.place)
    return untold(connection)


def _look(
    connection: store.Connection, post: Post, seen: Watched | UnavailableError, now: datetime
) -> _Seen:
    found = _Seen(
        [*ledger_incidents(connection, post.settings, now)],
        {*SEEN_IN_LEDGER, Kind.DELIVERY_FAILED, Kind.NO_ANSWER},
        set(),
    )
    if isinstance(seen, Watched):
        found.incidents += watched_incidents(seen, post.settings)
        found.observed |= SEEN_BY_WATCH
    else:
        found.incidents.append(no_answer("landing zone", seen))
    return found


def _look_at_airflow(post: Post, found: _Seen, open_now: Sequence[Any], now: datetime) -> None:
    if post.airflow is None:
        _log.warning("no connection airflow_api: failed runs are told by callbacks alone")
        return
    try:
        airflow = look_at_airflow(post.airflow(), open_now, post.airflow_url, now)
    except PipelineError as error:
        found.incidents.append(no_answer("Airflow API", error))
        return
    found.incidents += airflow.incidents
    found.observed |= SEEN_IN_AIRFLOW
    found.succeeded |= airflow.succeeded


def _untabled(post: Post, error: UnavailableError, told: list[Told], now: datetime) -> list[Told]:
    """Tell what is wrong once, without the table; failed runs are left to their callbacks."""
    found = _Seen([no_answer("warehouse", error)], set(), set())
    _look_at_airflow(post, found, [], now)
    heard = {one.incident.fingerprint: one for one in told if one.channels}
    for incident in found.incidents:
        if incident.kind not in FAILURES and incident.fingerprint not in heard:
            channels = send_untabled(incident, post.channels, post.place)
            heard[incident.fingerprint] = Told(incident, now, channels)
    return list(heard.values())


def _delivery_failed(channel: str, error: str) -> Incident:
    return Incident(Kind.DELIVERY_FAILED, channel, facts={"Error": error})
