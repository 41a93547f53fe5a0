"""Land one day of a source. Invariant: the object is the whole answer, record by record, or absent.

The records keep their own bytes, one a line; so the same answer makes the same object, and the
same object is not put again.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from scripts.errors import RefusedError
from scripts.extract.one_line import compact
from scripts.extract.pages import Page, fetch_pages
from scripts.killpoints import reach
from scripts.landing.json_array import Batch, MalformedRecord, read_records
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.settings import (
    Endpoint,
    RunSettings,
)
from sources import Source

_SPOOL_BYTES = 8 * 1024**2


@dataclass(frozen=True)
class ExtractResult:
    """What one extraction left in the bucket; `is_new` is False when it was there already."""

    source: str
    day: date
    key: str
    rows: int
    bytes: int
    sha256: str
    version_id: str | None
    is_new: bool
    seconds: float

    def facts(self) -> dict[str, Any]:
        """Return it as plain JSON values, for an event or a log."""
        return {**vars(self), "day": self.day.isoformat(), "seconds": round(self.seconds, 3)}


def _ignore(_rows: int, _size: int) -> None:
    """Watch nothing."""


def extract(
    source: Source,
    day: date,
    endpoint: Endpoint,
    store: Store,
    settings: RunSettings,
    *,
    watch: Callable[[int, int], None] = _ignore,
) -> ExtractResult:
    """Fetch every page of a source's list and land it under a day, unless it is there already.

    Args:
        source: the list to fetch.
        day: the day to land it under.
        endpoint: the API that serves it.
        store: the landing bucket.
        settings: timeouts, tries and limits.
        watch: is told (rows, bytes) as they come.

    Raises:
        RefusedError: the answer is no complete JSON array of objects within the limits.
        UnavailableError: the API or the bucket did not answer as it should.
    """
    started, key = time.monotonic(), raw_key(source.name, day)
    with SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        array = _Array(spool, settings.max_record_bytes, watch)
        with closing(fetch_pages(endpoint, source, settings)) as pages:
            for page in pages:
                array.add(page)
        if not array.rows and not source.allows_empty:
            raise RefusedError(f"{page.shown_url}: expected records, got an empty list")
        size, sha256 = array.finish()
        version_id, is_new = _land(store, key, spool, sha256)
    seconds = time.monotonic() - started
    return ExtractResult(
        source.name, day, key, array.rows, size, sha256, version_id, is_new, seconds
    )


def _land(store: Store, key: str, body: IO[bytes], sha256: str) -> tuple[str | None, bool]:
    """Put the object unless the same bytes are there; return (version id, whether it was put)."""
    present = store.head(key)
    if present and present[1] == sha256:
        return present[2], False
    reach("ingest.before_upload")
    version_id = store.put(key, body, sha256)
    reach("ingest.after_upload")
    return version_id, True


@dataclass
class _Array:
    """The array as it will land, one record a line, while it is collected."""

    spool: SpooledTemporaryFile[bytes]
    max_record_bytes: int
    watch: Callable[[int, int], None]
    rows: int = 0

    def __post_init__(self) -> None:
        self.spool.write(b"[\n")

    def add(self, page: Page) -> None:
        """Append a page's records; another try of it begins where this one began."""
        start, rows = self.spool.tell(), self.rows
        page.read(lambda blocks: self._write(blocks, start, rows))

    def finish(self) -> tuple[int, str]:
        """Close the array, rewind, and return its bytes and their sha256."""
        self.spool.write(b"\n]\n" if self.rows else b"]\n")
        size = self.spool.tell()
        self.spool.seek(0)
        sha256 = hashlib.file_digest(self.spool, "sha256").hexdigest()
        self.spool.seek(0)
        return size, sha256

    def _write(self, blocks: Iterator[bytes], start: int, rows: int) -> None:
        self.spool.seek(start)
        self.spool.truncate()
        self.rows = rows
        for found in read_records(blocks, max_record_bytes=self.max_record_bytes):
            if isinstance(found, MalformedRecord):
                lines = [_rescued(found, self.max_record_bytes)]
            else:
                lines = _lines(found)
            self.spool.write(b",\n" if self.rows else b"")
            self.spool.write(b",\n".join(lines))
            self.rows += len(lines)
            self.watch(self.rows, self.spool.tell())


def _lines(batch: Batch) -> list[bytes]:
    """Return the records as lines; raises RefusedError at the first one that is no object."""
    lines = [compact(record) for record in batch.records]
    for index, line in enumerate(lines):
        if not line.startswith(b"{"):
            [(start, _)] = batch.ranges([index])
            raise _no_object(batch.first + index, start, line)
    return lines


def _rescued(faulty: MalformedRecord, max_record_bytes: int) -> bytes:
    """Return a record that is legal JSON although our parser cannot take it, or refuse it."""
    size = faulty.end - faulty.start
    is_whole = size == len(faulty.head) and size <= max_record_bytes
    try:
        line = compact(faulty.head if is_whole else b"")
    except ValueError:
        raise RefusedError(
            f"record {faulty.position} at byte {faulty.start}: {faulty.reason}"
        ) from None
    if not line.startswith(b"{"):
        raise _no_object(faulty.position, faulty.start, line)
    return line


def _no_object(position: int, start: int, line: bytes) -> RefusedError:
    kind = {b"[": "an array", b'"': "a string"}.get(line[:1], "a number, true, false or null")
    return RefusedError(f"record {position} at byte {start}: expected an object, got {kind}")
