"""The table of incidents. Invariant: of all who report one cause, one is the first."""

import psycopg

from scripts.errors import UnavailableError
from scripts.warehouse import connect


def open_incident(dsn: str, fingerprint: str) -> bool:
    """Record a sighting of a cause; return whether it is the first. Raises UnavailableError."""
    try:
        with connect(dsn) as connection:
            row = connection.execute(
                """
                insert into ops.incidents as known (fingerprint) values (%s)
                on conflict (fingerprint) do update
                    set seen = known.seen + 1, last_seen_at = clock_timestamp()
                returning seen
                """,
                [fingerprint],
            ).fetchone()
    except psycopg.Error as error:
        raise UnavailableError(f"ops.incidents: {type(error).__name__}") from None
    return row is not None and row[0] == 1
