"""Reads the warehouse for the verdict. Invariant: reads views only, in one snapshot.

A server that must not hang can call it: a query that takes longer than a few seconds, or a
warehouse that does not answer, raises UnavailableError.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Timer
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import dict_row

from scripts.alerts.catalog import CATALOG
from scripts.alerts.incident import IncidentRecord
from scripts.errors import UnavailableError
from scripts.warehouse.connection import connect, plain_errors

SECONDS = 3
WEEKS = 8  # weeks that a weekday is compared with
MOST_INCIDENTS = 50  # others are only counted: users do not read on, and each text costs
_LIMITS = f"-c statement_timeout={SECONDS}s -c default_transaction_read_only=on"
_QUERIES: dict[str, LiteralString] = {
    "loads": "select * from ops.v_health_loads where day >= %(since)s order by day, load_id",
    "sources": "select * from ops.v_health_sources order by source",
    "parked": "select * from ops.v_health_parked order by day, source",
    "incidents": """
        select *, count(*) over () as open_count from ops.v_health_incidents
        order by kind = any(%(warnings)s), incident_id
        limit %(limit)s
    """,
    "undelivered": "select * from ops.v_health_deliveries order by channel",
}


class Load(msgspec.Struct, frozen=True):
    """An attempt to load a day. `is_current` marks the load that is valid for the day.

    `as_of` is when the API was asked, if the object does not tell how things were on its day.
    """

    source: str
    day: date
    state: str
    is_current: bool
    received: int
    loaded: int
    rejected: int
    seconds: float
    landed_at: datetime
    loaded_at: datetime
    published_at: datetime | None
    as_of: datetime | None


class SourceState(msgspec.Struct, frozen=True):
    """A source in the whole ledger. `waiting` counts current loads that are not published.

    `first_day` is the day on which it began to land. Earlier ones were fetched later.
    """

    source: str
    first_day: date
    loaded_at: datetime | None
    published_at: datetime | None
    published_day: date | None
    waiting: int
    waiting_from: date | None
    waiting_to: date | None
    waiting_since: datetime | None


class ParkedObject(msgspec.Struct, frozen=True):
    """A day whose latest object was parked."""

    source: str
    day: date
    reason: str
    run_id: str | None


class UndeliveredMessages(msgspec.Struct, frozen=True):
    """Messages that a channel has not accepted yet."""

    channel: str
    messages: int
    attempts: int


@dataclass(frozen=True)
class OpenIncident(IncidentRecord):
    """An open incident, and the end of its silence, if any."""

    silent_until: datetime | None = None


class HealthData(msgspec.Struct, frozen=True):
    """The result of one read of the warehouse.

    Attributes:
        loads: the loads of the last `WEEKS` weeks, oldest first.
        sources: every source that ever had an object.
        parked: objects that were parked and not retried since.
        incidents: open incidents, errors first, at most `MOST_INCIDENTS`.
        open_count: the number of open incidents.
        undelivered: pending messages by channel.
    """

    loads: list[Load]
    sources: list[SourceState]
    parked: list[ParkedObject]
    incidents: list[OpenIncident]
    open_count: int
    undelivered: list[UndeliveredMessages]


def read_health_data(dsn: str, now: datetime) -> HealthData:
    """Read the views. The role reader is sufficient.

    Raises:
        UnavailableError: the warehouse does not answer in time.
        ConfigurationError: a view or a grant is missing.
    """
    values = {
        "since": now.astimezone(UTC).date() - timedelta(weeks=WEEKS),
        "warnings": [kind for kind, words in CATALOG.items() if words.severity == "warning"],
        "limit": MOST_INCIDENTS,
    }
    with (
        plain_errors(),
        connect(dsn, connect_timeout=SECONDS, options=_LIMITS, row_factory=dict_row) as connection,
        limited_in_time(connection),
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rows = {name: connection.execute(q, values).fetchall() for name, q in _QUERIES.items()}
    found = rows["incidents"]
    incidents = [OpenIncident.of_row(row) for row in found]
    open_count = found[0]["open_count"] if found else 0
    return msgspec.convert(rows | {"incidents": incidents, "open_count": open_count}, HealthData)


@contextmanager
def limited_in_time(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Close the connection of the block at its time limit, even if the server has stopped.

    The timeouts of the server need a server that runs.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        timer = Timer(2 * SECONDS, line.shutdown, [socket.SHUT_RDWR])
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg.OperationalError as error:
            raise UnavailableError("the warehouse does not answer in time") from error
        finally:
            timer.cancel()
