"""The table of incidents. Invariant: of all who report one cause, one is the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from scripts.errors import UnavailableError
from scripts.warehouse import connect


def open_incident(dsn: str, fingerprint: str) -> bool:
    """Record a sighting of a cause; return whether it is the first. Raises UnavailableError."""
    with _connected(dsn) as connection:
        row = connection.execute(
            """
            insert into ops.incidents as known (fingerprint) values (%s)
            on conflict (fingerprint) where closed_at is null do update
                set seen = known.seen + 1, last_seen_at = clock_timestamp()
            returning seen
            """,
            [fingerprint],
        ).fetchone()
    return row is not None and row[0] == 1


def close_incident(dsn: str, fingerprint: str) -> timedelta | None:
    """End the open incident of a cause; return how long it lasted, or None if none was open."""
    with _connected(dsn) as connection:
        row = connection.execute(
            """
            update ops.incidents set closed_at = clock_timestamp()
            where fingerprint = %s and closed_at is null
            returning closed_at - opened_at
            """,
            [fingerprint],
        ).fetchone()
    return row[0] if row else None


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        with connect(dsn) as connection:
            yield connection
    except psycopg.Error as error:
        raise UnavailableError(f"ops.incidents: {type(error).__name__}") from None
