"""Remove one record from every version of an object. Invariant: other records keep their bytes.

A rewritten object is what extraction would have landed without the record. It is put before the
versions that hold the record are deleted, so a kill in between loses nothing. A newer version of
another writer is never touched: the object is then checked again.
"""

import hashlib
import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

import msgspec

from scripts.errors import InvalidDataError, UnavailableError
from scripts.killpoints import reach
from scripts.landing.json_array import MalformedRecord, read_records
from scripts.landing.store import (
    BLOCK_BYTES,
    ChangedError,
    ObjectVersion,
    OpenObject,
    Store,
    UnreadableError,
)
from scripts.landing.temporary import temporary_space
from sources import Source

_ATTEMPTS = 5


@dataclass(frozen=True)
class RecordKey:
    """The record to find: its source, and the values of its key fields as text, in their order."""

    source: Source
    values: tuple[str, ...]

    def is_in(self, record: bytes) -> bool:
        """Return whether a record has this key, or may have it if it is not JSON."""
        try:
            fields = msgspec.json.decode(record)
        except (msgspec.MsgspecError, RecursionError):
            return all(pattern.search(record) for pattern in self._patterns())
        return isinstance(fields, dict) and self.values == tuple(
            _spelled(_value_at(fields, field.parts)) for field in self.source.key_fields
        )

    def is_unknown_in(self, cut: bytes) -> bool:
        """Return whether the kept beginning of a record does not contain every key field."""
        return not all(
            msgspec.json.encode(name) in cut
            for field in self.source.key_fields
            for name in field.parts
        )

    def _patterns(self) -> Iterator[re.Pattern[bytes]]:
        """Yield a pattern for each key field with its value."""
        for field, value in zip(self.source.key_fields, self.values, strict=True):
            name = re.escape(msgspec.json.encode(field.parts[-1]))
            text = re.escape(msgspec.json.encode(value)[1:-1])
            yield re.compile(rb'%b\s*:\s*"?%b(?![0-9A-Za-z])' % (name, text))


def _value_at(fields: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        fields = fields.get(part) if isinstance(fields, dict) else None
    return fields


def _spelled(value: Any) -> str:
    """Return the value of a key as text. 7.0 is 7: the contract rejects it, the key is the same."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


class Removal(NamedTuple):
    """Counts for one key. `is_unreadable`: a version could not be searched."""

    records: int = 0
    versions: int = 0
    is_unreadable: bool = False


def remove_record(store: Store, key: str, wanted: RecordKey, max_record_bytes: int) -> Removal:
    """Remove a record from an object and its older versions, then check that none holds it.

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


def versions_of(store: Store, key: str) -> list[ObjectVersion]:
    """Return all versions and delete markers of exactly this key."""
    return [version for version in store.versions(key) if version.key == key]


def _remove_once(store: Store, key: str, wanted: RecordKey, max_record_bytes: int) -> Removal:
    """Check every version once, and remove the record where it is found.

    A version that is not a JSON array, or that the bucket does not give out, cannot be searched. It
    is deleted together with the others where the record was found. Otherwise the key is reported as
    unreadable.
    """
    versions = versions_of(store, key)
    latest = next((v for v in versions if v.is_latest and not v.is_marker), None)
    is_held = _holds(store, latest, wanted, max_record_bytes) if latest else False
    if latest and is_held:
        removed, put = _rewrite(store, latest, wanted, max_record_bytes)
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
    store: Store, version: ObjectVersion, wanted: RecordKey, max_record_bytes: int
) -> bool | None:
    """Return whether a version holds the record, or None if it cannot be read as a JSON array."""
    try:
        opened = None if version.is_marker else store.open(version.key, version.version_id)
        return any(map(wanted.is_in, _records(opened, max_record_bytes))) if opened else False
    except (InvalidDataError, UnreadableError):
        return None


def _rewrite(
    store: Store, version: ObjectVersion, wanted: RecordKey, max_record_bytes: int
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


def _copy_others(records: Iterable[bytes], wanted: RecordKey, into: IO[bytes]) -> tuple[int, int]:
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
