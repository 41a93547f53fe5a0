"""Give back the space of deleted rows. Invariant: each row is seen exactly once, by every reader.

Rows at the table's end move into free space further ahead, so that vacuum can cut the end off. No
reader waits for a move. A statement that must meet every row calls `hold_rows` before: it would
pass over a row that moves under it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import psycopg
from psycopg import sql

from scripts.load.binary_copy import rows_table
from sources import Source

_log = logging.getLogger(__name__)
_WORTHWHILE = 0.3
_SLACK = 1.02
_SMALL = 128  # pages, a megabyte: not worth a vacuum of our own
_FEW, _MANY = 100, 10_000
_GAVE_WAY = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
)
# A row that somebody else deletes just now is left to them: no move ever waits for a row.
_MOVE = """
    with far as (
        delete from {rows} where ctid = any(array(
            select ctid from {rows} where ctid >= %(end)s::tid limit %(limit)s
            for update skip locked
        )) returning *
    ),
    moved as (insert into {rows} select * from far returning ctid as place)
    select count(*), count(*) filter (where place < %(end)s::tid) from moved
"""


def hold_rows(connection: psycopg.Connection, source: Source) -> None:
    """Wait for a move under way, and let no row move until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtext(%s), 0)", (f"move {source.name}",))


def compact_rows(connection: psycopg.Connection, source: Source, deleted: int) -> None:
    """Shrink the table if the rows just deleted are many beside those that remain.

    Whatever does not get its lock or its time in here is left to the next clean-up.

    Args:
        connection: in autocommit mode, as the table's owner.
        source: whose rows.
        deleted: how many rows were deleted since the table was last compact.
    """
    current = "select coalesce(sum(loaded), 0) from ops.loads where source = %s and is_current"
    if deleted <= _WORTHWHILE * _number(connection, current, source.name):
        return
    table = rows_table(source)
    name = table.as_string(connection)
    size = "select pg_relation_size(%s) / current_setting('block_size')::int"
    pages = _number(connection, size, name)
    if pages < _SMALL:
        return
    with _giving_way():
        connection.execute("set lock_timeout = '5s'")
        connection.execute("set statement_timeout = '1min'")
        connection.execute(sql.SQL("vacuum (analyze) {}").format(table))
        counted = "select reltuples::bigint from pg_class where oid = %s::regclass"
        rows = _number(connection, counted, name)
        end = ceil(pages * rows / (rows + deleted) * _SLACK)
        if deleted > _WORTHWHILE * rows and _move(connection, source, f"({end},0)", rows):
            _rebuild_index(connection, name)
            connection.execute(sql.SQL("vacuum {}").format(table))


def _move(connection: psycopg.Connection, source: Source, end: str, rows: int) -> bool:
    """Move rows that lie behind `end`; return whether it found room for them.

    The first statement is small: while an old snapshot still needs the dead rows, nothing is free.
    """
    statement = sql.SQL(_MOVE).format(rows=rows_table(source))
    lock = "select pg_try_advisory_xact_lock(hashtext(%s), 0)::int"
    is_nearer = False
    for limit in (_FEW, *[_MANY] * (rows // _MANY + 2)):
        with connection.transaction():
            if not _number(connection, lock, f"move {source.name}"):
                break
            row = connection.execute(statement, {"end": end, "limit": limit}).fetchone()
        moved, nearer = row or (0, 0)
        if nearer * 2 <= moved:
            break
        is_nearer = True
    return is_nearer


def _rebuild_index(connection: psycopg.Connection, name: str) -> None:
    """Make the primary key anew: the moves split its pages, and those never grow together."""
    primary = "select indexrelid::regclass::text from pg_index where indrelid = %s::regclass and "
    with _giving_way():
        for (index,) in connection.execute(primary + "indisprimary", (name,)).fetchall():
            connection.execute(sql.SQL("reindex index concurrently {}").format(sql.SQL(index)))
    # What a rebuild leaves behind that was ended halfway, this one or an earlier one.
    left = primary + r"not indisvalid and indexrelid::regclass::text ~ '_cc(new|old)\d*\"?$'"
    with _giving_way():
        for (index,) in connection.execute(left, (name,)).fetchall():
            connection.execute(sql.SQL("drop index concurrently {}").format(sql.SQL(index)))


@contextmanager
def _giving_way() -> Iterator[None]:
    """Leave a step that did not get its lock or its time to the next clean-up, and say so."""
    try:
        yield
    except _GAVE_WAY as error:
        _log.warning("compaction gave way, the next clean-up goes on: %s", type(error).__name__)


def _number(connection: psycopg.Connection, query: str, *values: str) -> int:
    row = connection.execute(query, values).fetchone()
    return int(row[0]) if row else 0
