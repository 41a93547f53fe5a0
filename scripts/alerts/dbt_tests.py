"""Failed dbt tests, read from the warehouse. Invariant: keys of rows, never their content.

Each invocation of dbt stores its results in ``build.outcomes`` (macro ``record_outcomes``), and
each test its failing rows in a table (dbt's ``store_failures``). So an alert needs only the
warehouse, and not dbt.
"""

from datetime import datetime

import psycopg
from psycopg import sql

from scripts.alerts.incident import FailedTest
from scripts.warehouse.connection import connect, plain_errors

_OUTCOMES = """
    select split_part(node, '.', 3), failures, kept_in, passed
    from build.outcomes
    where node like 'test.%%' and failures > 0 and recorded_at >= %s
    order by passed, 1
"""
# A key is a day, a source or a number that identifies something. Other columns can be content.
_KEY_COLUMNS = """
    select column_name from information_schema.columns
    where table_schema = 'build' and table_name = %s and (
        (column_name = 'day' and data_type = 'date')
        or (column_name = 'source' and data_type in ('text', 'character varying'))
        or (
            (column_name in ('unique_field', 'from_field') or column_name ~ '_id$')
            and data_type in ('integer', 'bigint')
        )
    )
    order by ordinal_position
"""


def failed_tests(dsn: str, since: datetime, *, first: int = 5) -> list[FailedTest]:
    """Return the tests whose latest outcome since a time is a failure or a warning.

    Errors come first, then warnings, by name. The list is empty if dbt has never run. The role of
    `dsn` is transformer. `since` is time-zone aware. `first` limits the keys per test.
    Raises UnavailableError if the warehouse does not answer.
    """
    with connect(dsn) as connection, plain_errors():
        if connection.execute("select to_regclass('build.outcomes')").fetchone() == (None,):
            return []
        return [
            FailedTest(name, count, _keys(connection, table, first), "warn" if passed else "error")
            for name, count, table, passed in connection.execute(_OUTCOMES, [since]).fetchall()
        ]


def _keys(connection: psycopg.Connection, table: str, first: int) -> tuple[str, ...]:
    """Return the keys of the first failing rows of a test, in order."""
    columns = [name for (name,) in connection.execute(_KEY_COLUMNS, [table])]
    if not columns:
        return ()
    query = sql.SQL("select distinct {keys} from {table} order by {keys} limit {first}").format(
        keys=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier("build", table),
        first=first,
    )
    return tuple(
        ", ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))
        for row in connection.execute(query)
    )
