"""The lock for running dbt. Invariant: a manual run or a clean-up is alone, tasks of dbt share it.

A lock on an empty table, held by an open transaction: PostgreSQL releases it with the connection,
however its process ended, so it never becomes stale. Only who has a right on the table can take it.
docs/adr/0008-dbt-lock.md has the reasons.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from scripts.warehouse.connection import connect, plain_errors

_ALONE = "lock table ops.dbt_lock in exclusive mode"
_SHARED = "lock table ops.dbt_lock in row exclusive mode"


@contextmanager
def dbt_lock(dsn: str, *, is_alone: bool) -> Iterator[None]:
    """Wait for the lock, and hold it for the length of a block.

    Waiting processes form a queue, so a manual run gets its turn between two tasks. The transaction
    has neither a snapshot nor an id, so vacuum does not wait for it.

    Args:
        dsn: the warehouse, as role transformer.
        is_alone: whether no other process may run dbt in the meantime.

    Raises:
        UnavailableError: the statement timeout of the role has passed, or the warehouse is away.
    """
    with connect(dsn) as connection:
        with plain_errors():
            connection.execute("set idle_in_transaction_session_timeout = 0")
            connection.execute("set transaction_timeout = 0")
            connection.execute(_ALONE if is_alone else _SHARED)
        try:
            yield
        finally:
            connection.close()
