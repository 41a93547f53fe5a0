"""Land one day of a source. Invariant: the object is the complete answer, or it does not exist.

The records keep their own bytes, one per line. So the same answer makes the same object, and the
same object is not put again (idempotent).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any

from scripts.errors import InvalidDataError
from scripts.extract.days import Clock, as_of, check_has_ended, now_utc
from scripts.extract.fetch import DayFetch
from scripts.extract.parents import check_unchanged, landed_parents
from scripts.extract.parts import PartsOfDay
from scripts.extract.record_array import RecordArray
from scripts.extract.whole_list import Watch
from scripts.killpoints import reach
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.landing.temporary import temporary_space
from scripts.settings import Endpoint, RunSettings
from sources import Source

_SPOOL_BYTES = 8 * 1024**2


@dataclass(frozen=True)
class ExtractResult:
    """The landed object. `is_new` is False if the same bytes had landed before.

    `as_of` is when the API was asked, if it tells only how things are now and not on the day.
    `missing` is how many parents the API did not know, if the source skips those.
    """

    source: str
    day: date
    key: str
    rows: int
    bytes: int
    sha256: str
    version_id: str | None
    is_new: bool
    seconds: float
    as_of: datetime | None = None
    missing: int = 0

    def facts(self) -> dict[str, Any]:
        """Return the result as plain JSON values, for an event or a log."""
        return {
            **vars(self),
            "day": self.day.isoformat(),
            "seconds": round(self.seconds, 3),
            "as_of": self.as_of and self.as_of.isoformat(timespec="seconds"),
        }


def extract(
    source: Source,
    day: date,
    endpoint: Endpoint,
    store: Store,
    settings: RunSettings,
    *,
    watch: Watch = lambda _rows, _size: None,
    clock: Clock = now_utc,
) -> ExtractResult:
    """Fetch every page of a source's list and land it under a day, unless it is there already.

    Args:
        source: the list to fetch.
        day: the day to land it under.
        endpoint: the API that serves it.
        store: the landing bucket.
        settings: timeouts, retries and limits.
        watch: called with (rows, bytes) as they arrive.
        clock: returns the time, which decides whether the day has ended.

    Raises:
        InvalidInputError: the source is asked for days that have ended, and this one has not.
        InvalidDataError: the answer is not a complete JSON array of objects within the limits.
        ConfigurationError: the API's URL is wrong, or its host is not allowed.
        UnavailableError: the API or the bucket did not answer as expected, or the parents of the
            source have not landed.
    """
    started, key, asked_at = time.monotonic(), raw_key(source.name, day), clock()
    check_has_ended(source, day, asked_at)
    late_answer = as_of(source, day, asked_at)
    parents = None
    if source.parent:
        parents = landed_parents(source.parent, day, store, settings.max_record_bytes)
    parent_etag = parents and parents.opened.landed_etag
    fetch = DayFetch(source, day, endpoint, settings, parents, watch)
    with temporary_space(), SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        array = RecordArray(spool, settings.max_record_bytes)
        kept = None
        if source.parts:
            asked = repr((source, endpoint.url, parent_etag))
            kept = PartsOfDay(store, source.name, day, asked, asked_at)
            missing = fetch.append_parts(kept, array.begun)
        else:
            missing = fetch.append(array)
        if parents:
            check_unchanged(parents, store)
        if not array.rows and not source.allows_empty:
            if kept:
                kept.forget()  # or the next run would refuse the same parts again
            raise InvalidDataError(f"{fetch.shown}: expected records, got an empty list")
        sha256 = array.finish()
        put = partial(kept.land if kept else store.put, key, array.file, sha256)
        version_id, is_new = _land(store, key, sha256, parent_etag, partial(put, late_answer))
        if kept:
            kept.forget()
    seconds = time.monotonic() - started
    return ExtractResult(
        source=source.name,
        day=day,
        key=key,
        rows=array.rows,
        bytes=array.size,
        sha256=sha256,
        version_id=version_id,
        is_new=is_new,
        seconds=seconds,
        as_of=late_answer,
        missing=missing,
    )


def extract_days(
    source: Source, days: list[date], endpoint: Endpoint, store: Store, settings: RunSettings
) -> dict[str, Any]:
    """Land these days, one after the other, as `extract` does.

    Returns:
        the facts of the first one, and in ``earlier_days`` those of the others, if there are any.
    """
    first, *others = (extract(source, day, endpoint, store, settings).facts() for day in days)
    return {**first, "earlier_days": others} if others else first


def extract_pending(
    source: Source, days: list[date], endpoint: Endpoint, store: Store, settings: RunSettings
) -> dict[str, Any]:
    """Land these days, as `extract_days` does, but do not let a refused one hold up the others.

    Raises:
        InvalidDataError: why days were refused, after the others have landed.
    """
    landed, refused = [], []
    for day in days:
        try:
            landed.append(extract(source, day, endpoint, store, settings).facts())
        except InvalidDataError as error:
            refused.append(error)
    if refused:
        raise InvalidDataError("; ".join(map(str, refused)))
    *earlier, last = landed
    return {**last, "earlier_days": earlier} if earlier else last


def _land(
    store: Store,
    key: str,
    sha256: str,
    parent_etag: str | None,
    put: Callable[[str | None], str | None],
) -> tuple[str | None, bool]:
    """Put the object unless the same bytes are there. Return (version id, whether they are new).

    The same bytes below other parents are put again: the metadata must say that these were asked.
    """
    present = store.head(key)
    is_new = present is None or present.sha256 != sha256
    if present and not is_new and present.parent_etag == parent_etag:
        return present.version_id, False
    reach("ingest.before_upload")
    version_id = put(parent_etag)
    reach("ingest.after_upload")
    return version_id, is_new
