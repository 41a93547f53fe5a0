"""One look at the warehouse for the verdict. Invariant: the views alone are read, at one moment.

It may be called from a server that must not hang: what takes longer than a few seconds, or does not
answer at all, raises UnavailableError.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import Timer
from types import GenericAlias
from typing import Any, LiteralString, TypeVar

import msgspec
import psycopg
from psycopg.rows import dict_row

from scripts.alerts.catalog import CATALOG
from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.errors import UnavailableError
from scripts.warehouse.connection import connect, plain_errors

SECONDS = 3
WEEKS = 8  # that a weekday is compared with
MOST_INCIDENTS = 50  # more are counted, not shown: nobody reads on, and each text costs
_LIMITS = f"-c statement_timeout={SECONDS}s -c default_transaction_read_only=on"
Row = TypeVar("Row")


class Load(msgspec.Struct, frozen=True):
    """An attempt to load a day, whether it counts (`is_current`) or not."""

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


class SourceState(msgspec.Struct, frozen=True):
    """What the whole ledger says of a source; `waiting` counts current loads not published."""

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
    """A day whose latest object was refused."""

    source: str
    day: date
    reason: str
    run_id: str | None
    parked_at: datetime


class UndeliveredMessages(msgspec.Struct, frozen=True):
    """Messages that a channel has not taken yet."""

    channel: str
    messages: int
    attempts: int


class OpenIncident(msgspec.Struct, frozen=True):
    """An open incident, and until when it is silenced."""

    recorded: IncidentRecord
    silent_until: datetime | None


class HealthData(msgspec.Struct, frozen=True):
    """What a look has found.

    Attributes:
        loads: those of the last `WEEKS` weeks, oldest first.
        sources: each that ever had an object.
        parked: what was refused and not tried since.
        incidents: what is open, errors first, at most `MOST_INCIDENTS`.
        open_count: how many are open.
        owed: what channels have not taken yet.
    """

    loads: list[Load]
    sources: list[SourceState]
    parked: list[ParkedObject]
    incidents: list[OpenIncident]
    open_count: int
    owed: list[UndeliveredMessages]


class _Details(msgspec.Struct):
    facts: dict[str, str] = {}
    links: dict[str, str] = {}


def read_health_data(dsn: str, now: datetime) -> HealthData:
    """Read the views, as any role that may: reader is enough.

    Raises:
        UnavailableError: the warehouse does not answer, or not in time.
        ConfigurationError: a view or a right is missing.
    """
    since = now.astimezone(UTC).date() - timedelta(weeks=WEEKS)
    with (
        plain_errors(),
        connect(dsn, connect_timeout=SECONDS, options=_LIMITS, row_factory=dict_row) as connection,
        limited_in_time(connection),
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        incidents, open_count = _incidents(connection)
        return HealthData(
            _read(
                connection,
                Load,
                "select * from ops.v_health_loads where day >= %s order by day, load_id",
                since,
            ),
            _read(connection, SourceState, "select * from ops.v_health_sources order by source"),
            _read(
                connection, ParkedObject, "select * from ops.v_health_parked order by day, source"
            ),
            incidents,
            open_count,
            _read(
                connection,
                UndeliveredMessages,
                "select * from ops.v_health_deliveries order by channel",
            ),
        )


@contextmanager
def limited_in_time(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """End the block's connection when its time is over, also when the server has stopped.

    The server's own timeouts need a server that runs.
    """

    def hang_up() -> None:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = Timer(2 * SECONDS, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg.OperationalError as error:
        raise UnavailableError("the warehouse does not answer in time") from error
    finally:
        timer.cancel()


def _read(
    connection: psycopg.Connection[Any], type_: type[Row], query: LiteralString, *values: object
) -> list[Row]:
    rows = connection.execute(query, values).fetchall()
    found: list[Row] = msgspec.convert(rows, GenericAlias(list, type_))
    return found


def _incidents(connection: psycopg.Connection[Any]) -> tuple[list[OpenIncident], int]:
    """Return the incidents to show, and how many there are."""
    warnings = [kind for kind, words in CATALOG.items() if words.severity == "warning"]
    rows = connection.execute(
        """
        select *, count(*) over () as open_count from ops.v_health_incidents
        order by kind = any(%s), incident_id
        limit %s
        """,
        [warnings, MOST_INCIDENTS],
    ).fetchall()
    return [_incident(row) for row in rows], rows[0]["open_count"] if rows else 0


def _incident(row: dict[str, Any]) -> OpenIncident:
    details = msgspec.json.decode(row["details"], type=_Details)
    incident = Incident(Kind(row["kind"]), row["subject"], row["day"], details.facts, details.links)
    recorded = IncidentRecord(incident, row["incident_id"], row["opened_at"], None, row["seen"])
    return OpenIncident(recorded, row["silent_until"])
