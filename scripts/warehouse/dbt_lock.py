"""Who may run dbt in the warehouse. Invariant: a run by hand is alone, Airflow's tasks share.

An advisory lock that belongs to a session: PostgreSQL drops it with the connection, however the
process that holds it ended, so it never goes stale. docs/adr/0008-dbt-lock.md says what it is for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from scripts.warehouse.connection import connect, plain_errors

_ALONE = "select pg_advisory_lock(hashtext('elt.dbt'))"
_SHARED = "select pg_advisory_lock_shared(hashtext('elt.dbt'))"
_PROBE_SECONDS = 30  # a long build leaves the connection idle, and a firewall forgets such ones


@contextmanager
def dbt_lock(dsn: str, *, is_alone: bool) -> Iterator[psycopg.Connection[Any]]:
    """Wait for the lock, and hold it for the length of a block.

    Whoever asks later waits behind whoever waits: a run by hand gets its turn between two tasks.

    Args:
        dsn: the warehouse; any role.
        is_alone: whether nobody else may run dbt meanwhile.

    Raises:
        UnavailableError: the role's statement timeout has passed, or the warehouse is gone.
    """
    with connect(dsn, autocommit=True, keepalives_idle=_PROBE_SECONDS) as connection:
        with plain_errors():
            connection.execute(_ALONE if is_alone else _SHARED)
        yield connection
