"""Delete a record or a day from raw tables, rejects and ledger. Invariant: counts stay true."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from scripts.erase.from_landing import RecordKey
from scripts.load.raw_tables import rows_table
from scripts.warehouse.ledger import lock_day
from sources import Source

_FORGET = """
    with gone_rows as (
        delete from {rows} where ({keys}) = ({values}) returning load_id
    ),
    gone_rejects as (
        delete from ops.rejects
        using unnest({loads}::bigint[], {positions}::bigint[]) as doomed (load_id, position)
        where rejects.load_id = doomed.load_id and rejects.position = doomed.position
        returning rejects.load_id
    ),
    gone as (
        select load_id, count(*) as rows, 0 as rejects from gone_rows group by load_id
        union all
        select load_id, 0 as rows, count(*) as rejects from gone_rejects group by load_id
    ),
    counted as (
        select load_id, sum(rows) as rows, sum(rejects) as rejects from gone group by load_id
    )
    update ops.loads set
        received = received - counted.rows - counted.rejects,
        loaded = loaded - counted.rows,
        rejected = rejected - counted.rejects,
        sha256 = 'erased',
        reason = case when state = 'parked' then 'refused; a record of it was erased since' end
    from counted where loads.load_id = counted.load_id
    returning counted.rows::bigint, counted.rejects::bigint
"""
# If the object is parked by now, its last good load stays: nothing better can be loaded.
_MARKED = """
    select day, received from ops.loads
    where source = %s and is_current and sha256 = 'erased' and not exists (
        select from ops.loads as newer
        where newer.key = loads.key and newer.load_id > loads.load_id and newer.state = 'parked'
    )
    order by day
"""
_REJECTS = """
    select rejects.load_id, position, record, record_bytes
    from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
    where loads.source = %s
"""


def delete_record(connection: psycopg.Connection, wanted: RecordKey) -> tuple[int, int]:
    """Delete the record's rows and rejects of every load. Return both numbers."""
    keys = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in wanted.source.key]
    with connection.transaction():
        doomed = list(_rejects_of(connection, wanted))
        statement = sql.SQL(_FORGET).format(
            rows=rows_table(wanted.source),
            keys=sql.SQL(", ").join(keys),
            values=sql.SQL(", ").join(map(sql.Literal, wanted.values)),
            loads=sql.Literal([load_id for load_id, _ in doomed]),
            positions=sql.Literal([position for _, position in doomed]),
        )
        counts = connection.execute(statement).fetchall()
    return sum(rows for rows, _ in counts), sum(rejects for _, rejects in counts)


def _rejects_of(connection: psycopg.Connection, wanted: RecordKey) -> Iterator[tuple[int, int]]:
    """Yield (load_id, position) of the rejects that are or may be the record."""
    with connection.cursor("rejects") as cursor:
        cursor.execute(_REJECTS, (wanted.source.name,))
        for load_id, position, record, record_bytes in cursor:
            is_cut = record_bytes > len(record)
            if wanted.is_in(record) or (is_cut and wanted.is_unknown_in(record)):
                yield load_id, position


def delete_day(connection: psycopg.Connection, source: Source, day: date) -> tuple[int, int]:
    """Delete every load of a day with its rows and rejects. Return both numbers."""
    mine: tuple[Any, ...] = (source.name, day)
    loads = "(select load_id from ops.loads where source = %s and day = %s)"
    with connection.transaction():
        lock_day(connection, source.name, day)
        rows = connection.execute(
            sql.SQL("delete from {} where load_id in {}").format(
                rows_table(source), sql.SQL(loads)
            ),
            mine,
        ).rowcount
        rejects = connection.execute(
            sql.SQL("delete from ops.rejects where load_id in {}").format(sql.SQL(loads)), mine
        ).rowcount
        connection.execute("delete from ops.loads where source = %s and day = %s", mine)
    return rows, rejects


def marked_days(connection: psycopg.Connection, source: Source) -> list[tuple[date, int]]:
    """Return (day, records left) of current loads that lost a record and need a reload."""
    return connection.execute(_MARKED, (source.name,)).fetchall()
