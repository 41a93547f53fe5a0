"""What dbt's tests found, from the warehouse. Invariant: keys of rows, never their content.

Each invocation of dbt leaves its outcomes in ``build.outcomes``, and each test its failing rows in
a table of its own (dbt's ``store_failures``; the macro ``record_outcomes``). So whoever tells about
a failure needs the warehouse and nothing of dbt.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from scripts.alerts.incident import FailedTest
from scripts.warehouse.connection import connect, plain_errors

# A key is a day, a source or a number that names something; any other column may be content.
_KEY_COLUMNS = """
    select column_name from information_schema.columns
    where table_schema = %(schema)s and table_name = %(table)s and (
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
    """Return the tests whose latest outcome, not older than `since`, is a failure or a warning.

    Args:
        dsn: the warehouse, as role loader or transformer.
        since: time-zone aware; the start of the task or run that is asked about.
        first: how many keys to give of each test.

    Returns:
        errors first, then by name; empty where dbt has never run.

    Raises:
        UnavailableError: the warehouse does not answer.
    """
    with connect(dsn) as connection, plain_errors():
        return [
            FailedTest(
                row["name"],
                row["failures"],
                tuple(_keys(connection, row["kept_in"], first)),
                "warn" if row["passed"] else "error",
            )
            for row in _outcomes(connection, since)
        ]


def _outcomes(connection: psycopg.Connection, since: datetime) -> list[dict[str, Any]]:
    known = connection.execute("select to_regclass('build.outcomes')").fetchone()
    if known is None or known[0] is None:
        return []
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(
        """
        select split_part(node, '.', 3) as name, passed, failures, kept_in
        from build.outcomes
        where node like 'test.%%' and failures > 0 and recorded_at >= %s
        order by passed, name
        """,
        [since],
    ).fetchall()


def _keys(connection: psycopg.Connection, table: str, first: int) -> Iterator[str]:
    """Yield the keys of the first failing rows of a test, in order."""
    place = {"schema": "build", "table": table}
    columns = [name for (name,) in connection.execute(_KEY_COLUMNS, place)]
    if not columns:
        return
    query = sql.SQL("select distinct {keys} from {table} order by {keys} limit {first}").format(
        keys=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier("build", table),
        first=first,
    )
    for row in connection.execute(query):
        yield ", ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))
