"""Raw rows in a Delta table. Invariant: rows are committed first, under a load_id nobody reads.

The ledger in PostgreSQL decides which loads count. A load that was killed, parked or outdated
leaves rows without a current ledger row, and clean-up deletes them. ``raw.<source>_rows`` in
PostgreSQL stays empty: a load holds its lock, and compares there the records that share a key.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from scripts.errors import ConfigurationError, demand
from scripts.killpoints import reach
from scripts.load.arrow_rows import ArrowRows, extras
from scripts.load.binary_copy import HEADER, TRAILER, RowCopy
from scripts.load.postgres_rows import PostgresRows
from scripts.load.raw_tables import mark_recreating, rows_table
from scripts.load.row_count import CheckedBatches, RowCount
from scripts.load.row_format import RowFormat
from scripts.load.row_search import Key, References, RowMatcher
from scripts.warehouse.lakehouse import LoadTable, library
from sources import Source

_LOADED = """
    select load_id, loaded, is_current from ops.loads
    where source = %(source)s and state = 'loaded'
        and (%(sha256)s::text is null or sha256 = %(sha256)s)
"""
_PING_SECONDS = 10  # the server ends a transaction that is idle for a minute


class DeltaRows:
    """The raw rows of a source. `scripts.load.raw_rows` describes the methods."""

    def __init__(self, connection: Connection, source: Source, root: str) -> None:
        self._connection = connection
        self._source = source
        self._table = LoadTable(f"{root}/raw/{source.name}_rows")
        self._rows = ArrowRows(source, library("pyarrow"))
        self._compared = PostgresRows(connection, source)
        self._pinged = time.monotonic()

    def check(self) -> None:
        """Raise ConfigurationError if a table does not fit."""
        self._compared.check()
        if (present := self._table.schema()) is None or _columns(present) != self._wanted:
            raise ConfigurationError(f"{self._difference()}: run `python -m scripts.migrate`")

    def ensure(self) -> None:
        """Create the tables, or add the columns of new fields."""
        self._compared.ensure()
        present = self._table.schema()
        if present is None:
            self._table.create(self._rows.schema)
        elif _columns(present) != self._wanted:
            self._add_columns(present)

    def recreate(self) -> None:
        """Replace the tables by empty ones. After a kill, no build begins until it is done again.

        The rows leave first, so a load in between is pending again.
        """
        mark_recreating(self._connection, self._source)
        self._table.create(self._rows.schema)
        reach("rebuild.in_recreate")
        self._compared.recreate()

    def append(self, load_id: int, batches: CheckedBatches) -> RowCount:
        """Add the rows of a load in one commit."""
        if load_id in self._table.loads():
            raise ConfigurationError(
                f"{self._table.uri} has rows of load {load_id} already, which another ledger has "
                "counted. Name an empty folder in PIPELINE_LAKEHOUSE_ROOT, then run `python -m "
                "scripts.migrate` and `python -m scripts.rebuild`"
            )
        count = RowCount(self._source)
        self._table.append(load_id, self._rows.schema, self._packed(load_id, batches, count))
        stored = self._table.loads().get(load_id, 0)
        demand(stored == count.copied, f"of {count.copied} rows, {stored} were stored")
        return count

    def count_duplicates(self, load_id: int) -> int:
        """Return how many rows are surplus. PostgreSQL compares those that share a key."""
        rows, form = RowCopy(self._source, load_id), RowFormat(self._source, load_id)
        with self._connection.cursor().copy(rows.statement) as copy:
            copy.write(HEADER)
            for batch in self._sharing_a_key(load_id):
                copy.write(form.pack(*self._rows.rows(batch)))
            copy.write(TRAILER)
        return self._compared.count_duplicates(load_id)

    def first_duplicates(self, load_id: int) -> dict[int, bool]:
        """Return some surplus rows."""
        return self._compared.first_duplicates(load_id)

    def delete_duplicates(self, load_id: int) -> dict[int, bool]:
        """Delete the surplus rows: write the load again without them, in one commit."""
        deleted = self._compared.delete_duplicates(load_id)
        clear = sql.SQL("delete from {} where load_id = %s").format(rows_table(self._source))
        self._connection.execute(clear, [load_id])
        self._table.rewrite(load_id, self._rows.schema, partial(self._without, deleted))
        return deleted

    def delete_unread(self, pinned: Sequence[int]) -> int:
        """Delete loads without a reader, if no load is in progress: both would change the table.

        It removes files that left the table long ago, or that a killed load left there.
        """
        with self._connection.transaction():
            if not self._is_quiet():
                return 0
            query = "select load_id from ops.loads where source = %s and is_current"
            current = self._connection.execute(query, [self._source.name]).fetchall()
            read = {*pinned, *(load_id for (load_id,) in current)}
            deleted = self._table.delete([n for n in self._table.loads() if n not in read])
        self._table.vacuum()
        return deleted

    def keys_of(self, references: References) -> set[Key]:
        """Return the keys of the rows that refer to these values."""
        matcher = RowMatcher(self._source, (), references)
        return {key for batch in self._columns_of(matcher) for key in matcher.keys(batch)}

    def loads_to_mark(self, keys: Collection[Key], references: References) -> list[int]:
        """Return the loads of the ledger that have rows of these records."""
        matcher, found = RowMatcher(self._source, keys, references), set()
        for batch in self._columns_of(matcher):
            ids = batch.column("load_id").to_pylist()
            found |= {*compress(ids, matcher.matches(batch))}
        return sorted(found & self._loaded().keys())

    def erase(self, keys: Collection[Key], references: References) -> Counter[int]:
        """Write every marked load again without the rows, each in one commit.

        Rows that a killed erasure has deleted count, too: the ledger does not know yet.
        """
        self._hold()
        matcher = RowMatcher(self._source, keys, references)
        present, marked = self._table.loads(), self._loaded("erased")
        for load_id in marked.keys() & present.keys():
            self._table.rewrite(load_id, self._rows.schema, partial(self._others, matcher))
            reach("erase.in_files")
        left = self._table.loads()
        lost = {
            n: loaded - left.get(n, 0)
            for n, (loaded, is_current) in marked.items()
            if is_current or n in present
        }
        return Counter(lost)

    def delete(self, load_ids: Collection[int]) -> int:
        """Return the number of rows. `purge` deletes loads that the ledger does not know."""
        return sum(self.count(load_ids).values())

    def count(self, load_ids: Collection[int]) -> dict[int, int]:
        """Return the number of rows of each load."""
        present = self._table.loads()
        return {load_id: present.get(load_id, 0) for load_id in load_ids}

    def purge(self) -> None:
        """Delete loads that the ledger does not know as loaded, and files that left the table.

        No load may be in progress: the table does not know its file yet.
        """
        with self._connection.transaction():
            self._hold()
            known = self._loaded()
            self._table.delete([n for n in self._table.loads() if n not in known])
            reach("erase.before_vacuum")
            self._table.vacuum(hours=0)
            self._table.forget_versions()

    def _packed(self, load_id: int, batches: CheckedBatches, count: RowCount) -> Iterator[Any]:
        for batch, checked in batches:
            positions = count.positions(batch, checked)
            if checked.rows:
                yield self._rows.batch(load_id, positions, checked.rows, checked.extras)
            self._ping()
            reach("load.in_copy")
        self._connection.execute("select")  # a load that lost its lock must not commit its file

    def _sharing_a_key(self, load_id: int) -> Iterator[Any]:
        """Yield the rows of a load whose key another row has, too."""
        keys = sql.SQL(", ").join(map(sql.Identifier, self._source.key_columns))
        return self._query(
            "select rows.* from rows inner join ("
            "select {keys} from rows where load_id = {load_id} group by {keys} having count(*) > 1"
            ") as repeated using ({keys}) where load_id = {load_id}",
            keys=keys,
            load_id=sql.Literal(load_id),
        )

    def _columns_of(self, matcher: RowMatcher) -> Iterator[Any]:
        """Yield the columns that a matcher reads, and ``load_id``."""
        names = sql.SQL(", ").join(map(sql.Identifier, ["load_id", *matcher.columns]))
        return self._query("select {names} from rows", names=names)

    def _query(self, statement: LiteralString, **names: sql.Composable) -> Iterator[Any]:
        """Query the Delta table. The engine quotes identifiers as PostgreSQL does."""
        composed = sql.SQL(statement).format(**names)
        return self._table.query(composed.as_string(self._connection))

    def _without(self, deleted: Mapping[int, bool], batch: Any) -> Any:
        """Return a batch without the rows at these positions."""
        self._ping()
        kept = [position not in deleted for position in batch.column("position").to_pylist()]
        return self._rows.only(batch, kept)

    def _others(self, matcher: RowMatcher, batch: Any) -> Any:
        """Return a batch without the rows that match."""
        return self._rows.only(batch, [not is_found for is_found in matcher.matches(batch)])

    def _loaded(self, sha256: str | None = None) -> dict[int, tuple[int, bool]]:
        """Return (rows, is_current) of the loads that the ledger knows as loaded."""
        rows = self._connection.execute(_LOADED, {"source": self._source.name, "sha256": sha256})
        return {load_id: (loaded, is_current) for load_id, loaded, is_current in rows}

    def _hold(self) -> None:
        """Wait until no load is in progress. No load and no clean-up begins in this transaction."""
        self._connection.execute("set local idle_in_transaction_session_timeout = 0")
        lock = sql.SQL("lock table {} in share row exclusive mode")
        self._connection.execute(lock.format(rows_table(self._source)))

    def _ping(self) -> None:
        if time.monotonic() - self._pinged > _PING_SECONDS:
            self._connection.execute("select")
            self._pinged = time.monotonic()

    def _is_quiet(self) -> bool:
        """Return whether no load of this source is in progress. None begins in this transaction."""
        lock = sql.SQL("lock table {} in share mode nowait").format(rows_table(self._source))
        try:
            with self._connection.transaction():
                self._connection.execute(lock)
        except LockNotAvailable:
            return False
        return True

    @property
    def _wanted(self) -> dict[str, str]:
        return _columns(self._rows.schema)

    def _add_columns(self, present: Any) -> None:
        """Add columns, if no row has a value for one of them in `extra`."""
        wanted, old = self._wanted, _columns(present)
        new = wanted.keys() - old.keys()
        is_more = all(wanted.get(name) == type_ for name, type_ in old.items())
        if not is_more or new & self._source.key_columns.keys() or self._is_in_extra(new):
            raise ConfigurationError(
                f"{self._difference()}, and its files stay as they are. Load the source into a "
                f"fresh table: `python -m scripts.rebuild --source {self._source.name}`"
            )
        self._table.add_columns([field for field in self._rows.schema if field.name in new])

    def _is_in_extra(self, names: set[str]) -> bool:
        fields = {c.parts[0] for c in self._source.columns if c.name in names}
        rows = self._query("select extra from rows where extra is not null")
        found = (extra for batch in rows for extra in extras(batch))
        return any(fields & extra.keys() for extra in found)

    def _difference(self) -> str:
        """Say which columns differ."""
        present, wanted = self._table.schema(), self._wanted
        if present is None:
            return f"there is no Delta table at {self._table.uri}"
        old = _columns(present)
        names = [n for n in {**old, **wanted} if old.get(n) != wanted.get(n)]

        def listed(columns: Mapping[str, str]) -> str:
            return ", ".join(f"{name} {columns[name]}" for name in names if name in columns)

        return (
            f"table {self._table.uri} has ({listed(old) or 'none'}), the contract of "
            f"{self._source.name} expects ({listed(wanted) or 'none'})"
        )


def _columns(schema: Any) -> dict[str, str]:
    """Return the type of each column. Their order does not matter."""
    return {field.name: f"{field.type}{'' if field.nullable else ' not null'}" for field in schema}
