"""Rejected records on their way to ``ops.rejects``, the dead letter table. Invariant: none is lost.

They wait in a temporary file during the copy, so memory does not grow with their number.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO

import msgspec
import psycopg

from scripts.errors import demand
from scripts.landing.json_array import HEAD_BYTES, Batch, MalformedRecord
from scripts.landing.temporary import temporary_space
from scripts.load.contract import Violation
from scripts.load.record_key import key_reader
from sources import Source

_IN_MEMORY = 1024**2
_COLUMNS = (
    "load_id, position, byte_start, byte_end, field, reason, record, record_bytes, record_sha256,"
    " record_key"
)


class Reject(msgspec.Struct, array_like=True):
    """One rejected record: its position, the reason, its first 64 KB, and its key as JSON."""

    position: int
    byte_start: int
    byte_end: int
    field: str | None
    reason: str
    record: bytes
    record_bytes: int
    record_sha256: str
    record_key: str = "{}"  # it cannot be read


class Quarantine:
    """The rejects of one load, in an open file."""

    def __init__(self, source: Source, spool: IO[bytes]) -> None:
        self.count = 0
        self.first = ""
        self._key = key_reader(source)
        self._spool = spool

    def add_breaches(self, batch: Batch, breaches: Mapping[int, Violation]) -> None:
        """Add the records of a batch that violate the contract, by index in the batch."""
        if not breaches:
            return
        for (index, breach), (start, end) in zip(
            breaches.items(), batch.ranges(breaches), strict=True
        ):
            record = bytes(batch.records[index])
            self._add(
                Reject(
                    position=batch.first + index,
                    byte_start=start,
                    byte_end=end,
                    field=breach.field,
                    reason=breach.reason,
                    record=record[:HEAD_BYTES],
                    record_bytes=len(record),
                    record_sha256=sha256(record).hexdigest(),
                    record_key=self._key(record),
                )
            )

    def add_faulty(self, faulty: MalformedRecord) -> None:
        """Add a record that is not JSON or is too large."""
        self._add(
            Reject(
                position=faulty.position,
                byte_start=faulty.start,
                byte_end=faulty.end,
                field=None,
                reason=faulty.reason,
                record=faulty.head,
                record_bytes=faulty.end - faulty.start,
                record_sha256=faulty.sha256,
            )
        )

    def save(self, connection: psycopg.Connection, load_id: int) -> None:
        """Write the rejects of a load, in the transaction of its ledger row."""
        if not self.count:
            return
        cursor = connection.cursor()
        with cursor.copy(f"copy ops.rejects ({_COLUMNS}) from stdin") as copy:
            for reject in self._read():
                copy.write_row((load_id, *msgspec.structs.astuple(reject)))
        stored = cursor.rowcount
        demand(stored == self.count, f"of {self.count} rejects, {stored} were stored")

    def _add(self, reject: Reject) -> None:
        where = f"record {reject.position}"
        self.first = self.first or f"{where}: {reject.reason}"
        self.count += 1
        packed = msgspec.msgpack.encode(reject)
        self._spool.write(len(packed).to_bytes(4, "big") + packed)

    def _read(self) -> Iterator[Reject]:
        self._spool.seek(0)
        while size := self._spool.read(4):
            packed = self._spool.read(int.from_bytes(size, "big"))
            yield msgspec.msgpack.decode(packed, type=Reject)


@contextmanager
def quarantine(source: Source) -> Iterator[Quarantine]:
    """Yield a quarantine of a source in a temporary file, which is deleted after the block."""
    with temporary_space(), SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        yield Quarantine(source, spool)
