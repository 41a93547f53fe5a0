"""Land one day of a source. Invariant: the object is the complete answer, or it does not exist.

The records keep their own bytes, one per line. So the same answer makes the same object, and the
same object is not put again (idempotent).
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from scripts.errors import InvalidDataError, ShiftedListError
from scripts.extract.pages import fetch_pages
from scripts.extract.record_array import RecordArray
from scripts.killpoints import reach
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.landing.temporary import temporary_space
from scripts.settings import Endpoint, RunSettings
from sources import Source

_SPOOL_BYTES = 8 * 1024**2
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class ExtractResult:
    """The landed object. `is_new` is False if the same bytes had landed before."""

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
        """Return the result as plain JSON values, for an event or a log."""
        return {**vars(self), "day": self.day.isoformat(), "seconds": round(self.seconds, 3)}


def extract(
    source: Source,
    day: date,
    endpoint: Endpoint,
    store: Store,
    settings: RunSettings,
    *,
    watch: Watch = lambda _rows, _size: None,
) -> ExtractResult:
    """Fetch every page of a source's list and land it under a day, unless it is there already.

    Args:
        source: the list to fetch.
        day: the day to land it under.
        endpoint: the API that serves it.
        store: the landing bucket.
        settings: timeouts, retries and limits.
        watch: called with (rows, bytes) as they arrive.

    Raises:
        InvalidDataError: the answer is not a complete JSON array of objects within the limits.
        ConfigurationError: the API's URL is wrong, or its host is not allowed.
        UnavailableError: the API or the bucket did not answer as expected.
    """
    started, key = time.monotonic(), raw_key(source.name, day)
    with temporary_space(), SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        array = RecordArray(spool, settings.max_record_bytes)
        beginning = array.mark()
        try:
            _fetch(source, day, endpoint, settings, array, watch)
        except ShiftedListError:  # once more, from the first page
            array.rewind(beginning)
            _fetch(source, day, endpoint, settings, array, watch)
        sha256 = array.finish()
        version_id, is_new = _land(store, key, spool, sha256)
    seconds = time.monotonic() - started
    return ExtractResult(
        source.name, day, key, array.rows, array.size, sha256, version_id, is_new, seconds
    )


def _fetch(
    source: Source,
    day: date,
    endpoint: Endpoint,
    settings: RunSettings,
    array: RecordArray,
    watch: Watch,
) -> None:
    """Append the records of every page to an array."""
    with closing(fetch_pages(endpoint, source, day, settings)) as pages:
        for page in pages:
            start = array.mark()
            for attempt in page.attempts():
                with attempt, closing(page.records()) as records:
                    array.rewind(start)
                    for found in records:
                        array.append(found)
                        watch(array.rows, array.size)
    if not array.rows and not source.allows_empty:
        raise InvalidDataError(f"{page.shown_url}: expected records, got an empty list")


def _land(store: Store, key: str, body: IO[bytes], sha256: str) -> tuple[str | None, bool]:
    """Put the object unless the same bytes are there. Return (version id, whether it was put)."""
    present = store.head(key)
    if present and present.sha256 == sha256:
        return present.version_id, False
    reach("ingest.before_upload")
    version_id = store.put(key, body, sha256)
    reach("ingest.after_upload")
    return version_id, True
