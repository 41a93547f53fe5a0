"""The array as it will land, one record a line. Invariant: each record keeps its own bytes.

Only whitespace between tokens is removed, and only from a record with line breaks (`on_one_line`).
So the same answer always makes the same object.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import IO, NamedTuple

from scripts.errors import InvalidDataError
from scripts.extract.one_line import on_one_line, on_one_line_each
from scripts.extract.splice import spliced
from scripts.landing.json_array import Batch, MalformedRecord

_BLOCK_BYTES = 1 << 20
_BEGIN = b"[\n"
_NOT_AN_OBJECT = re.compile(rb"\n[^{]")


class Mark(NamedTuple):
    """A position to which an array can be rewound."""

    size: int
    rows: int
    digest: hashlib._Hash


class RecordArray:
    """Collects records in a temporary file, with their number, size in bytes and sha256.

    With a `head`, the field of a parent, each record gets it as its first field.
    """

    def __init__(self, spool: IO[bytes], max_record_bytes: int, head: bytes = b"") -> None:
        self.size = self.rows = 0
        self._kept = 0  # bytes that are no longer in the file, but kept elsewhere
        self._spool = spool
        self._max_record_bytes = max_record_bytes
        self._head = head
        self._digest = hashlib.sha256()

    def begun(self) -> RecordArray:
        """Forget everything, and return the array."""
        self._spool.seek(0)
        self._spool.truncate()
        self.size = self.rows = self._kept = 0
        self._digest = hashlib.sha256()
        return self

    def mark(self) -> Mark:
        """Return the present end, to which `rewind` can return."""
        return Mark(self.size, self.rows, self._digest.copy())

    def rewind(self, mark: Mark) -> None:
        """Forget everything that was appended after a mark."""
        self._spool.seek(mark.size - self._kept)
        self._spool.truncate()
        self.size, self.rows, self._digest = mark.size, mark.rows, mark.digest.copy()

    def append(self, found: Batch | MalformedRecord) -> None:
        """Append records. Raises InvalidDataError if one of them is not an object."""
        if isinstance(found, MalformedRecord):
            self._add(self._rescued(found), found.position)
            self.rows += 1
        else:
            self._add(_lines(found), found.first)
            self.rows += len(found.records)

    def extend(self, part: RecordArray) -> None:
        """Append the records of another array, which is not finished."""
        if not part.rows:
            return
        self._write(b",\n" if self.rows else _BEGIN)
        part._spool.seek(len(_BEGIN))
        while block := part._spool.read(_BLOCK_BYTES):
            self._write(block)
        self.rows += part.rows

    @property
    def file(self) -> IO[bytes]:
        """The file with the bytes that are not kept elsewhere, rewound to its start."""
        self._spool.seek(0)
        return self._spool

    def keep_elsewhere(self) -> None:
        """Empty the file: its bytes are kept elsewhere. Numbers and digest go on."""
        self._spool.seek(0)
        self._spool.truncate()
        self._kept = self.size

    def follow(self, blocks: Iterable[bytes], rows: int) -> None:
        """Go on behind bytes that are kept elsewhere, with their number of records."""
        for block in blocks:
            self._digest.update(block)
            self.size += len(block)
        self.rows += rows
        self._kept = self.size

    def finish(self) -> str:
        """Close the array, rewind its file to the start, and return the sha256 of its bytes."""
        self._write(b"\n]\n" if self.rows else _BEGIN + b"]\n")
        self._spool.seek(0)
        return self._digest.hexdigest()

    def _add(self, lines: bytes, position: int) -> None:
        self._write(b",\n" if self.rows else _BEGIN)
        self._write(spliced(lines, self._head, position) if self._head else lines)

    def _write(self, data: bytes) -> None:
        self._spool.write(data)
        self._digest.update(data)
        self.size += len(data)

    def _rescued(self, malformed: MalformedRecord) -> bytes:
        """Return a record that is legal JSON although msgspec cannot parse it, or refuse it."""
        size = malformed.end - malformed.start
        is_whole = size == len(malformed.head) and size <= self._max_record_bytes
        try:
            line = on_one_line(malformed.head if is_whole else b"")
        except ValueError:
            raise InvalidDataError(
                f"record {malformed.position} at byte {malformed.start}: {malformed.reason}"
            ) from None
        if not line.startswith(b"{"):
            raise _not_an_object(malformed.position, malformed.start, line)
        return line


def _lines(batch: Batch) -> bytes:
    """Return the records, one per line. Raises InvalidDataError if one is not an object."""
    lines = on_one_line_each(batch)
    # A record on one line contains no newline, so each newline is followed by a record.
    if lines.startswith(b"{") and not _NOT_AN_OBJECT.search(lines):
        return lines
    begins = [bytes(record)[:1] for record in batch.records]
    index = next(i for i, begin in enumerate(begins) if begin != b"{")
    [(start, _)] = batch.ranges([index])
    raise _not_an_object(batch.first + index, start, begins[index])


def _not_an_object(position: int, start: int, record: bytes) -> InvalidDataError:
    kind = {b"[": "an array", b'"': "a string"}.get(record[:1], "a number, true, false or null")
    return InvalidDataError(f"record {position} at byte {start}: expected an object, got {kind}")
