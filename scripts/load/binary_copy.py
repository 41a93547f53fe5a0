"""COPY into ``raw.<source>_rows``. Invariant: readers of the view see no load in progress.

The copy takes no lock and writes rows under a load_id that is not current in the ledger. The same
transaction makes them visible later.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import compress, islice, repeat
from operator import add, lt
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from scripts.landing.json_array import Batch
from scripts.load.contract import CheckedBatch
from scripts.load.raw_tables import rows_table
from sources import Source

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_JSONB_VERSION = 1
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of PostgreSQL's dates and timestamps
_ONE_INTEGER = struct.Struct(">18sqiqiB").pack
_HEAD, _INTEGER, _TAIL = (struct.Struct(f).pack for f in (">hiqiq", ">iq", ">iB"))


class RowCopy:
    """Packs checked batches for one binary COPY, and counts the rows.

    Attributes:
        statement: the COPY statement for the packed bytes.
        copied: rows packed so far.
        is_ordered: whether the keys are strictly increasing. Then no key occurs twice.
    """

    def __init__(self, source: Source, load_id: int) -> None:
        columns = source.key_columns
        self.statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
            rows_table(source),
            sql.SQL(", ").join(map(sql.Identifier, ["load_id", "position", *columns, "payload"])),
        )
        self.copied = 0
        # Moments with and without a zone cannot be compared here: PostgreSQL does it.
        self.is_ordered = "timestamp with time zone" not in columns.values()
        self._last: list[Any] = []
        self._load_id = load_id
        self._start = repeat(struct.pack(">hiqi", 4, 8, load_id, 8))
        self._width = len(columns) + 3
        self._has_key = bool(columns)
        self._pack = self._pack_one if list(columns.values()) == ["bigint"] else self._pack_any

    def pack(self, batch: Batch, checked: CheckedBatch) -> bytes:
        """Return the rows of the valid records in the format of COPY BINARY."""
        positions: Sequence[int] = range(batch.first, batch.first + len(batch.records))
        records = batch.records
        if checked.breaches:
            passes = [True] * len(records)
            for index in checked.breaches:
                passes[index] = False
            positions = list(compress(positions, passes))
            records = list(compress(records, passes))
        keys = checked.keys
        if self.is_ordered and keys and self._has_key:
            chain = self._last + keys
            self.is_ordered = all(map(lt, chain, islice(chain, 1, None)))
            self._last = keys[-1:]
        self.copied += len(keys)
        return b"".join(self._pack(positions, keys, records))

    def _pack_one(
        self, positions: Iterable[int], keys: Iterable[Any], records: Sequence[msgspec.Raw]
    ) -> Iterable[bytes | msgspec.Raw]:
        """Pack rows with one integer key, the usual case, without a Python step per row."""
        sizes = map(add, map(len, records), repeat(1))
        version = repeat(_JSONB_VERSION)
        parts: list[bytes | msgspec.Raw] = [b""] * (2 * len(records))
        parts[::2] = map(_ONE_INTEGER, self._start, positions, repeat(8), keys, sizes, version)
        parts[1::2] = records
        return parts

    def _pack_any(
        self, positions: Iterable[int], keys: Iterable[Any], records: Iterable[msgspec.Raw]
    ) -> Iterator[bytes | msgspec.Raw]:
        for position, key, record in zip(positions, keys, records, strict=True):
            yield _HEAD(self._width, 8, self._load_id, 8, position)
            for value in _values(key):
                yield _packed(value)
            yield _TAIL(len(record) + 1, _JSONB_VERSION)
            yield record


def _values(key: Any) -> tuple[Any, ...]:
    if isinstance(key, tuple):
        return key
    return () if key is None else (key,)


def _packed(value: Any) -> bytes:
    """Return a value of a key with its length, as COPY BINARY wants its type."""
    match value:
        case int():
            return _INTEGER(8, value)
        case str():
            data = value.encode()
        case UUID():
            data = value.bytes
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            data = struct.pack(">q", (moment - _EPOCH) // timedelta(microseconds=1))
        case date():
            data = struct.pack(">i", (value - _EPOCH.date()).days)
        case _:
            raise TypeError(f"a key cannot be a {type(value).__name__}")
    return len(data).to_bytes(4, "big") + data


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
    """Find keys first, without payloads: usually few occur twice, and only these are compared."""
    keys = sql.SQL(", ").join(map(sql.Identifier, source.key_columns))
    keeps_last = source.on_duplicate == "last"
    return sql.SQL(
        """
        with repeated as (
            select {keys} from {rows} where load_id = %(load_id)s
            group by {keys} having count(*) > 1
        ),
        groups as (
            select {keys}, {kept}(position) as kept, count(distinct payload) = 1 as is_equal
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
        rows=rows_table(source),
        kept=sql.SQL("max" if keeps_last else "min"),
        keeps_last=sql.Literal(keeps_last),
    )
