"""The lock for running dbt. Invariant: a manual run is alone, and Airflow's tasks share the lock.

A session-level advisory lock: PostgreSQL releases it with the connection, however its process
ended, so it never becomes stale. docs/adr/0008-dbt-lock.md has the reasons.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from scripts.warehouse.connection import connect, plain_errors

_ALONE = "select pg_advisory_lock(hashtext('elt.dbt'))"
_SHARED = "select pg_advisory_lock_shared(hashtext('elt.dbt'))"
_PROBE_SECONDS = 30  # keeps firewalls from dropping the connection, which idles during a build


@contextmanager
def dbt_lock(dsn: str, *, is_alone: bool) -> Iterator[psycopg.Connection[Any]]:
    """Wait for the lock, and hold it for the length of a block.

    Waiting processes form a queue, so a manual run gets its turn between two tasks.

    Args:
        dsn: the warehouse, as any role.
        is_alone: whether no other process may run dbt in the meantime.

    Raises:
        UnavailableError: the statement timeout of the role has passed, or the warehouse is away.
    """
    with connect(dsn, autocommit=True, keepalives_idle=_PROBE_SECONDS) as connection:
        with plain_errors():
            connection.execute(_ALONE if is_alone else _SHARED)
        yield connection
