"""COPY into ``raw.<source>_rows``. Invariant: readers of the view see no load in progress.

The copy takes no lock and writes rows under a load_id that is not current in the ledger. The same
transaction makes them visible later.
"""

import psycopg
from psycopg import sql

from scripts.landing.json_array import Batch
from scripts.load.contract import CheckedBatch
from scripts.load.raw_tables import rows_table
from scripts.load.row_count import RowCount
from scripts.load.row_format import RowFormat
from sources import Source

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


class RowCopy(RowCount):
    """Packs checked batches for one binary COPY, and counts the rows.

    Attributes:
        statement: the COPY statement for the packed bytes.
    """

    def __init__(self, source: Source, load_id: int) -> None:
        super().__init__(source)
        self._format = RowFormat(source, load_id)
        self.statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
            rows_table(source), sql.SQL(", ").join(map(sql.Identifier, self._format.names))
        )

    def pack(self, batch: Batch, checked: CheckedBatch) -> bytes:
        """Return the rows of the valid records in the format of COPY BINARY."""
        return self._format.pack(self.positions(batch, checked), checked.rows, checked.extras)


def count_duplicates(connection: psycopg.Connection, source: Source, load_id: int) -> int:
    """Return how many rows of a load are surplus because their key occurs twice."""
    # A load that was just copied has no statistics. The planner would guess few rows and compare
    # each row with each row. The setting holds until the transaction ends, for the deletion too.
    connection.execute("set local enable_nestloop = off")
    query = sql.SQL("{} select count(*) from surplus").format(_surplus(source))
    row = connection.execute(query, {"load_id": load_id}).fetchone()
    return int(row[0]) if row else 0


def first_duplicates(
    connection: psycopg.Connection, source: Source, load_id: int, count: int = 100
) -> dict[int, bool]:
    """Return some positions of surplus rows, and whether their records were equal."""
    query = sql.SQL("{} select position, is_equal from surplus order by position limit {}")
    rows = connection.execute(query.format(_surplus(source), count), {"load_id": load_id})
    return {int(position): bool(is_equal) for position, is_equal in rows}


def delete_duplicates(
    connection: psycopg.Connection, source: Source, load_id: int
) -> dict[int, bool]:
    """Delete rows with a duplicate key: of equal records all but the first, of others all.

    A source whose `on_duplicate` is ``last`` keeps the last record of each key instead.

    Returns:
        the positions of the deleted rows, and whether their records were equal.
    """
    query = sql.SQL(
        """
        {} delete from {} as doomed using surplus
        where doomed.load_id = %(load_id)s and doomed.position = surplus.position
        returning doomed.position, surplus.is_equal
        """
    ).format(_surplus(source), rows_table(source))
    rows = connection.execute(query, {"load_id": load_id}).fetchall()
    return {int(position): bool(is_equal) for position, is_equal in rows}


def _surplus(source: Source) -> sql.Composed:
    """Find keys first: usually few occur twice, and only their whole rows are compared."""
    keys = sql.SQL(", ").join(map(sql.Identifier, source.key_columns))
    columns = [*(column.name for column in source.columns), "extra"]
    keeps_last = source.on_duplicate == "last"
    return sql.SQL(
        """
        with repeated as (
            select {keys} from {rows} where load_id = %(load_id)s
            group by {keys} having count(*) > 1
        ),
        groups as (
            select {keys}, {kept}(position) as kept, count(distinct ({all})) = 1 as is_equal
            from {rows} inner join repeated using ({keys})
            where load_id = %(load_id)s
            group by {keys}
        ),
        surplus as (
            select position, is_equal
            from {rows} inner join groups using ({keys})
            where load_id = %(load_id)s and not ((is_equal or {keeps_last}) and position = kept)
        )
        """
    ).format(
        keys=keys,
        all=sql.SQL(", ").join(map(sql.Identifier, columns)),
        rows=rows_table(source),
        kept=sql.SQL("max" if keeps_last else "min"),
        keeps_last=sql.Literal(keeps_last),
    )
