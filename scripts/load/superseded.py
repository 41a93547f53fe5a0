"""Delete rows that no reader needs. Invariant: rows of a current or pinned load stay.

A load is pinned while ``build.pinned_loads`` contains it: dbt records there, when a build starts,
which loads the build reads. No build may pin loads during the clean-up. So `clean_up_all` holds the
lock of dbt alone: a task that Airflow gave up may still clean up when the next run builds.
"""

from psycopg import sql

from scripts.load.postgres_rows import BATCH_ROWS, in_batches
from scripts.load.raw_rows import raw_rows
from scripts.load.raw_tables import rows_table
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.dbt_lock import dbt_lock
from sources import SOURCES, Source


def clean_up(dsn: str, source: Source, settings: RunSettings, pinned: list[int]) -> int:
    """Delete the rows of replaced loads that are not pinned, and expired rejects and ledger rows.

    Rejects, and ledger rows that are neither current nor the latest of their object, are kept for
    `settings.retention_days`. After that a reject of a current load loses its record, but not its
    key: the models need to know what the day does not know. Each batch is a separate transaction.

    Returns:
        the number of rows deleted from ``raw.<source>_rows``.
    """
    with connect(dsn, autocommit=True) as connection, plain_errors():
        deleted = raw_rows(connection, source).delete_unread(pinned)
        values = {
            "source": source.name,
            "days": settings.retention_days,
            "limit": BATCH_ROWS,
            "pinned": pinned,
        }
        in_batches(lambda: connection.execute(_OLD_REJECTS, values).rowcount)
        in_batches(lambda: connection.execute(_OLD_RECORDS, values).rowcount)
        old_loads = sql.SQL(_OLD_LOADS).format(rows=rows_table(source))
        in_batches(lambda: connection.execute(old_loads, values).rowcount)
    return deleted


def clean_up_all(dsn: str, dbt_dsn: str, settings: RunSettings) -> int:
    """Clean up after every declared source. Return the number of deleted rows.

    `dsn` is of role loader, `dbt_dsn` of transformer, whose tables only that role reads. Closed
    incidents go after `settings.retention_days`, too: their facts can name keys of records.
    """
    with dbt_lock(dbt_dsn, is_alone=True):
        with connect(dsn) as connection, plain_errors():
            connection.execute(_OLD_INCIDENTS, [settings.retention_days])
        pinned = pinned_loads(dbt_dsn)
        return sum(clean_up(dsn, source, settings, pinned) for source in SOURCES.values())


_OLD_REJECTS = """
    delete from ops.rejects where ctid = any(array(
        select rejects.ctid
        from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
        where loads.source = %(source)s and not loads.is_current
            and loads.loaded_at < clock_timestamp() - make_interval(days => %(days)s)
        limit %(limit)s
    ))
"""
_OLD_RECORDS = """
    update ops.rejects set record = '' where ctid = any(array(
        select rejects.ctid
        from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
        where loads.source = %(source)s and rejects.record <> ''
            and loads.loaded_at < clock_timestamp() - make_interval(days => %(days)s)
        limit %(limit)s
    ))
"""
_OLD_LOADS = """
    delete from ops.loads where ctid = any(array(
        select old.ctid
        from ops.loads as old
        where old.source = %(source)s and not old.is_current
            and old.load_id <> all(%(pinned)s)
            and old.loaded_at < clock_timestamp() - make_interval(days => %(days)s)
            and not exists (select from {rows} as raw_rows where raw_rows.load_id = old.load_id)
            and exists (
                select from ops.loads as newer
                where newer.key = old.key and newer.load_id > old.load_id
            )
        limit %(limit)s
    ))
"""
# A message that no channel has accepted yet keeps its incident.
_OLD_INCIDENTS = """
    delete from ops.incidents
    where closed_at < clock_timestamp() - make_interval(days => %s) and not exists (
        select from ops.deliveries
        where deliveries.incident_id = incidents.incident_id and sent_at is null
            and next_try_at < 'infinity'
    )
"""


def pinned_loads(dbt_dsn: str) -> list[int]:
    """Return the loads that dbt's current or last build reads."""
    with connect(dbt_dsn) as connection, plain_errors():
        if connection.execute("select to_regclass('build.pinned_loads')").fetchone() == (None,):
            return []
        rows = connection.execute("select load_id from build.pinned_loads")
        return [int(load_id) for (load_id,) in rows]
