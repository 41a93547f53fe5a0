"""The tables of incidents. Invariant: a cause is open at most once, and what is owed is a row.

A delivery is owed from the transaction that opens or closes its incident until a channel has taken
it: nothing that dies in between can forget it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.errors import UnavailableError
from scripts.warehouse.connection import connect

Connection = psycopg.Connection[Any]

# A callback has a few seconds: nothing may wait for a lock, or for a host that is silent.
_LIMITS = "-c statement_timeout=5s -c lock_timeout=3s"
_CONNECT_SECONDS = 3


class _Details(msgspec.Struct):
    facts: dict[str, str] = {}
    links: dict[str, str] = {}


@contextmanager
def connected(dsn: str) -> Iterator[Connection]:
    """Connect in autocommit mode; raises UnavailableError for whatever the warehouse says."""
    try:
        with connect(
            dsn, connect_timeout=_CONNECT_SECONDS, options=_LIMITS, autocommit=True
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise UnavailableError(f"ops.incidents: {type(error).__name__}") from None


def see(
    connection: Connection, incident: Incident, channels: Sequence[str], *, is_again: bool = False
) -> int:
    """Record that a cause is seen, and what is owed for it; return the incident's number.

    Args:
        connection: in autocommit mode.
        incident: opened, or, if its cause is open, seen once more.
        channels: names of those that must be told, unless the cause is silenced.
        is_again: whether a sighting of an open incident adds to its count.
    """
    details = msgspec.json.encode(_Details(incident.facts, incident.links)).decode()
    with connection.transaction():
        row = connection.execute(
            """
            insert into ops.incidents as known (fingerprint, kind, subject, day, details)
            values (%s, %s, %s, %s, %s)
            on conflict (fingerprint) where closed_at is null do update
                set seen = known.seen + %s, last_seen_at = clock_timestamp()
            returning incident_id
            """,
            [
                incident.fingerprint,
                incident.kind,
                incident.subject,
                incident.day,
                details,
                int(is_again),
            ],
        ).fetchone()
        number: int = row[0] if row else 0
        connection.execute(
            """
            insert into ops.deliveries (incident_id, channel, phase)
            select %s, channel, 'opened' from unnest(%s::text[]) as channel
            where not exists (
                select from ops.silences
                where fingerprint = %s and until_at > clock_timestamp()
            )
            on conflict do nothing
            """,
            [number, list(channels), incident.fingerprint],
        )
    return number


def record_earlier(
    connection: Connection, incident: Incident, channels: Sequence[str], opened_at: datetime
) -> None:
    """Record what was told on some channels, since a moment, while there was no table."""
    with connection.transaction():
        number = see(connection, incident, channels)
        connection.execute(
            "update ops.incidents set opened_at = least(opened_at, %s) where incident_id = %s",
            [opened_at, number],
        )
        connection.execute(
            """
            update ops.deliveries set sent_at = clock_timestamp()
            where incident_id = %s and phase = 'opened' and sent_at is null
            """,
            [number],
        )


def close(connection: Connection, fingerprint: str) -> int | None:
    """End the open incident of a cause; who was to be told of it is owed the end, too.

    Returns:
        the incident's number, or None if none was open.
    """
    row = connection.execute(
        """
        with closed as (
            update ops.incidents set closed_at = clock_timestamp()
            where fingerprint = %s and closed_at is null
            returning incident_id
        ), owed as (
            insert into ops.deliveries (incident_id, channel, phase)
            select incident_id, channel, 'recovered'
            from closed inner join ops.deliveries using (incident_id)
            where phase = 'opened'
        )
        select incident_id from closed
        """,
        [fingerprint],
    ).fetchone()
    return row[0] if row else None


def read_incidents(
    connection: Connection,
    *,
    only_open: bool = False,
    numbers: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[IncidentRecord]:
    """Return incidents, oldest first; `limit` keeps the latest of them."""
    rows = connection.cursor(row_factory=dict_row).execute(
        """
        select incident_id, kind, subject, day, details::text as details, opened_at, closed_at, seen
        from ops.incidents
        where (not %(only_open)s or closed_at is null)
            and (%(numbers)s::bigint[] is null or incident_id = any(%(numbers)s))
        order by incident_id desc limit %(limit)s
        """,
        {"only_open": only_open, "numbers": numbers, "limit": limit},
    )
    return [_recorded(row) for row in rows][::-1]


def silence(connection: Connection, fingerprint: str, until: datetime, ticket: str) -> None:
    """Tell nobody of a cause until a moment; a later call replaces the earlier one."""
    connection.execute(
        """
        insert into ops.silences (fingerprint, until_at, ticket) values (%s, %s, %s)
        on conflict (fingerprint) do update
            set until_at = excluded.until_at, ticket = excluded.ticket,
                created_at = clock_timestamp()
        """,
        [fingerprint, until, ticket],
    )


def _recorded(row: dict[str, Any]) -> IncidentRecord:
    details = msgspec.json.decode(row["details"], type=_Details)
    day: date | None = row["day"]
    incident = Incident(Kind(row["kind"]), row["subject"], day, details.facts, details.links)
    return IncidentRecord(
        incident, row["incident_id"], row["opened_at"], row["closed_at"], int(row["seen"])
    )
