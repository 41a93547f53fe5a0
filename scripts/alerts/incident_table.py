"""The tables of incidents. Invariant: at most one open incident per cause, and no message is lost.

``ops.deliveries`` is a transactional outbox. The transaction that opens or closes an incident also
inserts its pending messages. A message stays pending until its channel accepts it, so a crash
forgets none.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Json

from scripts.alerts.incident import Incident, IncidentRecord
from scripts.errors import UnavailableError
from scripts.warehouse.connection import connect

Connection = psycopg.Connection[Any]

# A callback has only a few seconds. It must not wait for a lock or for a host that does not answer.
_LIMITS = "-c statement_timeout=5s -c lock_timeout=3s"
_CONNECT_SECONDS = 3


class UnrecordedAlert(msgspec.Struct):
    """An incident that was reported without the table, and the channels that accepted it."""

    incident: Incident
    opened_at: datetime
    channels: list[str]


@contextmanager
def connected(dsn: str) -> Iterator[Connection]:
    """Connect in autocommit mode. Every database error becomes an UnavailableError."""
    options = {"connect_timeout": _CONNECT_SECONDS, "options": _LIMITS, "autocommit": True}
    try:
        with connect(dsn, **options) as connection:
            yield connection
    except psycopg.Error as error:
        raise UnavailableError(
            f"ops.incidents: {type(error).__name__}. Check the warehouse."
        ) from None


def record_sighting(
    connection: Connection, incident: Incident, channels: Sequence[str], *, is_again: bool = False
) -> int:
    """Open the incident if its cause has none, add its pending messages, and return its id.

    `channels` are the names of the channels to notify, unless the cause is silenced. `is_again`
    increases the count of an incident that is already open. Its class and its details are those of
    the latest run that failed: if a later run failed, its error and its log replace the earlier.
    """
    details = Json({"facts": incident.facts, "links": incident.links})
    cause = [incident.fingerprint, incident.kind, incident.subject, incident.day]
    with connection.transaction():
        [(incident_id,)] = connection.execute(
            """
            insert into ops.incidents as known (fingerprint, kind, subject, day, details)
            values (%s, %s, %s, %s, %s)
            on conflict (fingerprint) where closed_at is null do update
                set seen = known.seen + %s, last_seen_at = clock_timestamp(),
                    kind = case
                        when known.details #>> '{facts,Run}' != excluded.details #>> '{facts,Run}'
                            then excluded.kind else known.kind
                    end,
                    details = case
                        when known.details #>> '{facts,Run}' != excluded.details #>> '{facts,Run}'
                            then excluded.details else known.details
                    end
            returning incident_id
            """,
            [*cause, details, int(is_again)],
        )
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
            [incident_id, list(channels), incident.fingerprint],
        )
    return int(incident_id)


def record_earlier(connection: Connection, alert: UnrecordedAlert) -> None:
    """Record an incident that was reported earlier, and mark its messages as sent."""
    with connection.transaction():
        number = record_sighting(connection, alert.incident, alert.channels)
        connection.execute(
            """
            with earlier as (
                update ops.incidents set opened_at = least(opened_at, %s) where incident_id = %s
            )
            update ops.deliveries set sent_at = clock_timestamp()
            where incident_id = %s and channel = any(%s) and phase = 'opened' and sent_at is null
            """,
            [alert.opened_at, number, number, alert.channels],
        )


def close_incident(
    connection: Connection, fingerprint: str, ended_at: datetime | None = None
) -> int | None:
    """Close the open incident of a cause and add its recovery messages. Return its id, or None.

    `ended_at` is when the successful run ended. An incident that was seen after it stays open: the
    success was reported late, and a later run has failed since.
    """
    row = connection.execute(
        """
        with closed as (
            update ops.incidents set closed_at = clock_timestamp()
            where fingerprint = %(fingerprint)s and closed_at is null
                and (%(ended_at)s::timestamptz is null or last_seen_at <= %(ended_at)s)
            returning incident_id
        ), pending as (
            insert into ops.deliveries (incident_id, channel, phase)
            select incident_id, channel, 'recovered'
            from closed inner join ops.deliveries using (incident_id)
            where phase = 'opened'
        )
        select incident_id from closed
        """,
        {"fingerprint": fingerprint, "ended_at": ended_at},
    ).fetchone()
    return row[0] if row else None


def read_incidents(
    connection: Connection,
    *,
    only_open: bool = False,
    ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[IncidentRecord]:
    """Return the latest `limit` incidents, oldest first."""
    rows = connection.cursor(row_factory=dict_row).execute(
        """
        select incident_id, kind, subject, day, details::text as details, opened_at, closed_at, seen
        from ops.incidents
        where (not %(only_open)s or closed_at is null)
            and (%(ids)s::bigint[] is null or incident_id = any(%(ids)s))
        order by incident_id desc limit %(limit)s
        """,
        {"only_open": only_open, "ids": ids, "limit": limit},
    )
    return [IncidentRecord.of_row(row) for row in rows][::-1]


def silence(connection: Connection, fingerprint: str, until: datetime, ticket: str) -> None:
    """Send no messages about a cause until a time. A later call replaces the earlier one."""
    connection.execute(
        """
        insert into ops.silences (fingerprint, until_at, ticket) values (%s, %s, %s)
        on conflict (fingerprint) do update
            set until_at = excluded.until_at, ticket = excluded.ticket,
                created_at = clock_timestamp()
        """,
        [fingerprint, until, ticket],
    )
