"""Raw rows in PostgreSQL: COPY into ``raw.<source>_rows``, in the transaction of the ledger row."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial

from psycopg import Connection, sql

from scripts.errors import demand
from scripts.killpoints import reach
from scripts.load.binary_copy import (
    HEADER,
    TRAILER,
    RowCopy,
    count_duplicates,
    delete_duplicates,
    first_duplicates,
)
from scripts.load.raw_tables import check_raw, ensure_raw, recreate_raw, rows_table, value_at
from scripts.load.row_count import CheckedBatches, RowCount
from scripts.load.row_search import Key, References, condition
from sources import Source

BATCH_ROWS = 10_000


class PostgresRows:
    """The raw rows of a source. `scripts.load.raw_rows` describes the methods."""

    def __init__(self, connection: Connection, source: Source) -> None:
        self._connection = connection
        self._source = source

    def check(self) -> None:
        """Raise ConfigurationError if the table does not fit."""
        check_raw(self._connection, self._source)

    def ensure(self) -> None:
        """Create the table, or adapt it."""
        ensure_raw(self._connection, self._source)

    def recreate(self) -> None:
        """Replace the table by an empty one that is marked as incomplete."""
        recreate_raw(self._connection, self._source)

    def append(self, load_id: int, batches: CheckedBatches) -> RowCount:
        """Copy the rows of a load. They are gone if the transaction fails."""
        rows = RowCopy(self._source, load_id)
        cursor = self._connection.cursor()
        with cursor.copy(rows.statement) as copy:
            copy.write(HEADER)
            for batch, checked in batches:
                copy.write(rows.pack(batch, checked))
                reach("load.in_copy")
            copy.write(TRAILER)
        stored = cursor.rowcount
        demand(stored == rows.copied, f"of {rows.copied} copied rows, {stored} were stored")
        return rows

    def count_duplicates(self, load_id: int) -> int:
        """Return how many rows are surplus."""
        return count_duplicates(self._connection, self._source, load_id)

    def first_duplicates(self, load_id: int) -> dict[int, bool]:
        """Return some surplus rows."""
        return first_duplicates(self._connection, self._source, load_id)

    def delete_duplicates(self, load_id: int) -> dict[int, bool]:
        """Delete the surplus rows."""
        return delete_duplicates(self._connection, self._source, load_id)

    def delete_unread(self, pinned: Sequence[int]) -> int:
        """Delete the replaced loads. Each batch is a separate transaction, with autocommit."""
        return sum(in_batches(partial(self._delete_some, n)) for n in self._replaced(pinned))

    def keys_of(self, references: References) -> set[Key]:
        """Return the keys of the rows that refer to these values."""
        refers, values = condition(self._source, (), references)
        keys = [value_at(self._source, key.parts) for key in self._source.key_fields]
        query = sql.SQL("select distinct {} from {} where {}").format(
            sql.SQL(", ").join(keys), rows_table(self._source), refers
        )
        return {*self._connection.execute(query, values)}

    def loads_to_mark(self, _keys: Collection[Key], _references: References) -> list[int]:
        """Return nothing: rows leave with the transaction."""
        return []

    def erase(self, keys: Collection[Key], references: References) -> Counter[int]:
        """Delete the rows of these records."""
        matches, values = condition(self._source, keys, references)
        delete = sql.SQL("delete from {} where {} returning load_id")
        rows = self._connection.execute(delete.format(rows_table(self._source), matches), values)
        return Counter(load_id for (load_id,) in rows)

    def delete(self, load_ids: Collection[int]) -> int:
        """Delete loads."""
        delete = sql.SQL("delete from {} where load_id = any(%s)").format(rows_table(self._source))
        return self._connection.execute(delete, [list(load_ids)]).rowcount

    def count(self, load_ids: Collection[int]) -> dict[int, int]:
        """Return the number of rows of each load."""
        query = sql.SQL(
            "select load_id, (select count(*) from {} as raw_rows"
            " where raw_rows.load_id = loads.load_id) from unnest(%s::bigint[]) as loads (load_id)"
        ).format(rows_table(self._source))
        return dict(self._connection.execute(query, [list(load_ids)]).fetchall())

    def purge(self) -> None:
        """Do nothing: `scripts.erase` vacuums the tables of PostgreSQL at its end."""

    def _replaced(self, pinned: Sequence[int]) -> list[int]:
        """Return the loads that still have rows but no reader."""
        query = sql.SQL(
            """
            select load_id from ops.loads
            where source = %s and not is_current and load_id <> all(%s)
                and exists (select from {} as raw_rows where raw_rows.load_id = loads.load_id)
            """
        ).format(rows_table(self._source))
        rows = self._connection.execute(query, (self._source.name, list(pinned))).fetchall()
        return [int(row[0]) for row in rows]

    def _delete_some(self, load_id: int) -> int:
        query = sql.SQL(
            "delete from {rows} where ctid = any(array("
            "select ctid from {rows} where load_id = %s limit %s))"
        ).format(rows=rows_table(self._source))
        return self._connection.execute(query, (load_id, BATCH_ROWS)).rowcount


def in_batches(delete: Callable[[], int]) -> int:
    """Call `delete` until a batch of `BATCH_ROWS` is not full. Return how many were deleted."""
    total = 0
    while True:
        deleted = delete()
        total += deleted
        if deleted < BATCH_ROWS:
            return total
