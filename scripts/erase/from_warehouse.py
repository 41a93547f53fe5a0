"""Delete a record or a day from raw tables, rejects and ledger. Invariant: counts stay true."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import psycopg
from psycopg import sql

from scripts.erase.wanted import Wanted
from scripts.errors import demand
from scripts.killpoints import reach
from scripts.load.raw_rows import RawRows, raw_rows
from scripts.load.record_key import key_of_texts
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.ledger import lock_day
from sources import Source

_MARK = """
    update ops.loads set sha256 = 'erased'
    where load_id = any(%s) and sha256 is distinct from 'erased' returning load_id
"""
_REMOVE_REJECTS = """
    delete from ops.rejects using unnest(%s::bigint[], %s::bigint[]) as found (load_id, position)
    where rejects.load_id = found.load_id and rejects.position = found.position
    returning rejects.load_id
"""
# Names of unknown fields can be data. The load of what is left finds its own names again.
_FORGET_FIELDS = """
    update ops.loads set new_fields = '{}' where source = %s and new_fields <> '{}'
        and (not is_current or sha256 = 'erased')
"""
# A dbt test that failed names the keys of rows. The incident that is open is closed by a run.
_FORGET_TESTS = "delete from ops.incidents where kind = 'dbt-test-failed' and closed_at is not null"
_MAINTAINED = """
    select nspname, relname from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where nspname in ('raw', 'ops', 'build', 'marts') and relkind in ('r', 'p')
        and has_table_privilege(pg_class.oid, 'maintain')
"""
# ANALYZE leaves the statistics of an empty table as they are.
_KNOWN_COLUMNS = "select attname, inherited from pg_stats where schemaname = %s and tablename = %s"
_CLEAR = "select pg_clear_attribute_stats(%s, %s, %s, %s)"
_CLEARS_SINCE = 18_00_00
_CORRECT_LOAD = """
    update ops.loads set
        received = received - %(rows)s - %(rejects)s,
        loaded = loaded - %(rows)s,
        rejected = rejected - %(rejects)s,
        sha256 = 'erased',
        reason = case when state = 'parked' then 'parked. A record of it was erased later' end
    where load_id = %(load_id)s
"""
# Other loads lose their rows to the clean-up.
_COUNTED = "select load_id, loaded from ops.loads where load_id = any(%s) and is_current"
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
    select rejects.load_id, position, record, record_bytes, record_key,
        record_key = any(%s::jsonb[]) as is_found
    from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
    where loads.source = %s
"""


def delete_records(connection: psycopg.Connection, wanted: Wanted) -> tuple[int, int]:
    """Delete rows and rejects of the records in every load. Return both numbers.

    `connection` has autocommit, because loads are marked first.
    """
    stored = raw_rows(connection, wanted.source)
    loads = stored.loads_to_mark(wanted.keys, wanted.references)
    with connection.transaction():
        marked = connection.execute(_MARK, [loads]).fetchall()
        _check_counts(connection, stored, [load_id for (load_id,) in marked])
    reach("erase.after_mark")
    with connection.transaction(), connection.cursor() as cursor:
        rows = stored.erase(wanted.keys, wanted.references)
        found = list(_rejects_of(connection, wanted))
        places = [load_id for load_id, _ in found], [position for _, position in found]
        removed_rejects = cursor.execute(_REMOVE_REJECTS, places).fetchall()
        rejects = Counter(load_id for (load_id,) in removed_rejects)
        corrections = [
            {"load_id": load_id, "rows": rows[load_id], "rejects": rejects[load_id]}
            for load_id in rows | rejects
        ]
        cursor.executemany(_CORRECT_LOAD, corrections)
        if corrections:
            cursor.execute(_FORGET_FIELDS, [wanted.source.name])
            cursor.execute(_FORGET_TESTS)
        _check_counts(connection, stored, list(rows | rejects))
    reach("erase.before_purge")
    stored.purge()
    return rows.total(), rejects.total()


def _check_counts(connection: psycopg.Connection, stored: RawRows, load_ids: list[int]) -> None:
    """Raise BrokenInvariantError if the ledger miscounts the rows of a current load."""
    rows = stored.count(load_ids)
    for load_id, loaded in connection.execute(_COUNTED, [load_ids]):
        demand(
            loaded == rows[load_id],
            f"load {load_id} has {rows[load_id]} rows, but its ledger row says {loaded}. Load "
            "every day again with `python -m scripts.rebuild`, then erase",
        )


def _rejects_of(connection: psycopg.Connection, wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Yield (load_id, position) of the rejects that are or may be the record."""
    with connection.cursor("rejects") as cursor:
        keys = [key_of_texts(wanted.source, key) for key in wanted.keys]
        cursor.execute(_REJECTS, (keys, wanted.source.name))
        for load_id, position, record, record_bytes, known_key, is_found in cursor:
            # A record that has expired is empty: only its key is left.
            is_cut = record and record_bytes > len(record) and not known_key
            may_be_it = is_found if known_key else is_cut and wanted.is_unknown_in(record)
            if may_be_it or wanted.is_in(record):
                yield load_id, position


def delete_day(connection: psycopg.Connection, source: Source, day: date) -> tuple[int, int]:
    """Delete every load of a day with its rows and rejects. Return both numbers."""
    stored = raw_rows(connection, source)
    query = "select load_id from ops.loads where source = %s and day = %s"
    with connection.transaction():
        lock_day(connection, source.name, day)
        loads = [load_id for (load_id,) in connection.execute(query, (source.name, day))]
        rows = stored.delete(loads)
        rejects = connection.execute(
            "delete from ops.rejects where load_id = any(%s)", [loads]
        ).rowcount
        connection.execute("delete from ops.loads where load_id = any(%s)", [loads])
    reach("erase.before_purge")
    stored.purge()
    return rows, rejects


def marked_days(connection: psycopg.Connection, source: Source) -> list[tuple[date, int]]:
    """Return (day, records left) of current loads that lost a record and need a reload."""
    return connection.execute(_MARKED, (source.name,)).fetchall()


def forget_statistics(dsn: str) -> list[str]:
    """Remove what statistics and dead rows still hold of deleted values, where the role may do so.

    Every role that may read a column sees its most common values in ``pg_stats``.

    Returns:
        the columns of empty tables whose statistics PostgreSQL 17 keeps.
    """
    left = []
    with connect(dsn, autocommit=True) as connection, plain_errors():
        for schema, table in connection.execute(_MAINTAINED).fetchall():
            place = sql.Identifier(schema, table)
            connection.execute(sql.SQL("vacuum (analyze) {}").format(place))
            is_empty = sql.SQL("select not exists (select from {})").format(place)
            if connection.execute(is_empty).fetchone() != (True,):
                continue
            for column in connection.execute(_KNOWN_COLUMNS, [schema, table]).fetchall():
                if connection.info.server_version >= _CLEARS_SINCE:
                    connection.execute(_CLEAR, [schema, table, *column])
                else:
                    left.append(f"{schema}.{table}.{column[0]}")
    return left


def unowned_marts(dbt_dsn: str) -> list[str]:
    """Return the tables of schema marts that belong to no model, as the last publish noted them.

    A publish of a lakehouse notes none.
    """
    with connect(dbt_dsn) as connection, plain_errors():
        if connection.execute("select to_regclass('build.unowned_marts')").fetchone() == (None,):
            return []
        rows = connection.execute("select name from build.unowned_marts order by name")
        return [f"marts.{name}" for (name,) in rows]
