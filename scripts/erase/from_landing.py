"""Remove records from every version of an object. Invariant: other records keep their bytes.

A rewritten object is what extraction would have landed without the record. It is put before the
versions that hold the record are deleted, so a kill in between loses nothing. A newer version of
another writer is never touched: the object is then checked again.
"""

import hashlib
import mmap
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from scripts.erase.wanted import Wanted
from scripts.errors import InvalidDataError, UnavailableError
from scripts.killpoints import reach
from scripts.landing.json_array import MalformedRecord, read_records
from scripts.landing.keys import names_a_day
from scripts.landing.store import (
    BLOCK_BYTES,
    ChangedError,
    ObjectVersion,
    OpenObject,
    Store,
    UnreadableError,
)
from scripts.landing.temporary import temporary_space

_ATTEMPTS = 5


class Removal(NamedTuple):
    """Counts for one key. `is_unreadable`: a version could not be searched."""

    records: int = 0
    versions: int = 0
    is_unreadable: bool = False


def remove_records(store: Store, key: str, wanted: Wanted, max_record_bytes: int) -> Removal:
    """Remove records from an object and its older versions, then check that none holds one.

    An object that would become empty is deleted, unless its source allows empty days.

    Raises:
        UnavailableError: the bucket did not answer as expected, or the object keeps changing.
    """
    records = versions = 0
    for _ in range(_ATTEMPTS):
        try:
            removed = _remove_once(store, key, wanted, max_record_bytes)
        except ChangedError:
            continue
        records, versions = records + removed.records, versions + removed.versions
        if not removed.versions:
            return Removal(records, versions, removed.is_unreadable)
    raise UnavailableError(f"{key} changed in each of {_ATTEMPTS} attempts")


def versions_below(store: Store, prefix: str) -> list[ObjectVersion]:
    """Return all versions of objects of days below a prefix, without delete markers."""
    found = store.versions(prefix)
    return [v for v in found if names_a_day(v.key) and not v.is_marker]


def records_of(store: Store, version: ObjectVersion, max_record_bytes: int) -> Iterator[bytes]:
    """Yield the records of a version. A version that was deleted meanwhile has none.

    Raises:
        InvalidDataError: it is not a JSON array.
        UnreadableError: the bucket does not give it out.
    """
    opened = store.open(version.key, version.version_id)
    return iter(()) if opened is None else _records(opened, max_record_bytes)


def remove_parts(store: Store, prefix: str) -> int:
    """Delete the parts of days below a prefix. Return the number of their versions.

    A run that fetches a day in parts at this moment fails, and begins again.
    """
    store.abort_uploads(prefix)
    versions = list(store.versions(prefix))
    store.delete_versions(versions)
    return len(versions)


def versions_of(store: Store, key: str) -> list[ObjectVersion]:
    """Return all versions and delete markers of exactly this key."""
    return [version for version in store.versions(key) if version.key == key]


def _remove_once(store: Store, key: str, wanted: Wanted, max_record_bytes: int) -> Removal:
    """Check every version once, and remove the record where it is found.

    A version that is not a JSON array, or that the bucket does not give out, cannot be searched. It
    is deleted together with the others where the record was found. Otherwise the key is reported as
    unreadable.
    """
    versions = versions_of(store, key)
    latest = next((v for v in versions if v.is_latest and not v.is_marker), None)
    is_held = _holds(store, latest, wanted, max_record_bytes) if latest else False
    if latest and is_held:
        try:
            removed, put = _rewrite(store, latest, wanted, max_record_bytes)
        except InvalidDataError:  # its end cannot be read
            is_held = None
        else:
            reach("erase.after_put")
            store.delete_versions([v for v in versions if v.version_id != put])
            return Removal(removed, len(versions))
    replaced = [v for v in versions if v != latest]
    found = [_holds(store, version, wanted, max_record_bytes) for version in replaced]
    if True not in found:
        return Removal(is_unreadable=None in (is_held, *found))
    store.delete_versions(replaced)
    return Removal(0, len(replaced), is_held is None)


def _holds(
    store: Store, version: ObjectVersion, wanted: Wanted, max_record_bytes: int
) -> bool | None:
    """Return whether a version holds the record, or None if it cannot be read as a JSON array."""
    try:
        found = iter(()) if version.is_marker else records_of(store, version, max_record_bytes)
        return any(map(wanted.is_in, found))
    except (InvalidDataError, UnreadableError):
        return None


def _rewrite(
    store: Store, version: ObjectVersion, wanted: Wanted, max_record_bytes: int
) -> tuple[int, str | None]:
    """Put the object without the record. Return (records removed, new version).

    Without any other record nothing is put: version None.
    """
    opened = store.open(version.key, version.version_id)
    if opened is None:
        raise ChangedError(f"a version of {version.key} was deleted")
    with temporary_space(), TemporaryFile() as kept:
        left, removed = _copy_others(_records(opened, max_record_bytes), wanted, kept)
        if not (left or wanted.source.allows_empty):
            return removed, None
        kept.seek(0)
        digest = hashlib.file_digest(kept, "sha256").hexdigest()
        kept.seek(0)
        return removed, store.replace(opened, kept, digest) or "null"


def _copy_others(records: Iterable[bytes], wanted: Wanted, into: IO[bytes]) -> tuple[int, int]:
    """Write an array of the other records. Return (records written, records left out)."""
    left = removed = 0
    into.write(b"[\n")
    for record in records:
        if wanted.is_in(record):
            removed += 1
            continue
        into.write(b",\n" if left else b"")
        into.write(record)
        left += 1
    into.write(b"\n]\n" if left else b"]\n")
    return left, removed


def _records(opened: OpenObject, max_record_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of each record, valid or not, from a temporary copy of the body."""
    with temporary_space(), TemporaryFile() as file:
        file.writelines(opened.blocks())
        file.write(b"\n")  # an empty file cannot be mapped
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            starts = range(0, len(content), BLOCK_BYTES)
            blocks = (content[start : start + BLOCK_BYTES] for start in starts)
            for found in read_records(blocks, max_record_bytes=max_record_bytes):
                if isinstance(found, MalformedRecord):
                    yield content[found.start : found.end]
                else:
                    yield from map(bytes, found.records)
