"""The parents of a day, from their landed object. Invariant: the API is not asked for them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import NamedTuple

import msgspec

from scripts.errors import InvalidDataError, UnavailableError
from scripts.extract.answers import Found, raw_at
from scripts.landing.json_array import MalformedRecord, read_records
from scripts.landing.keys import raw_key
from scripts.landing.store import ChangedError, OpenObject, Store
from sources.declaration import Parent
from sources.declaration.parent import Values
from sources.declaration.paths import Path, shown_path

_UNUSABLE = ("", ".", "..")  # as a segment of a path these would name another list


class ParentRecord(NamedTuple):
    """One parent: its position in the landed object, and the values that its children get."""

    position: int
    values: Values


class LandedParents(NamedTuple):
    """The parents of one version of an object, each one once, in their order."""

    opened: OpenObject
    records: list[ParentRecord]

    @property
    def key(self) -> str:
        """The key of the object."""
        return self.opened.info.key

    @property
    def shown(self) -> str:
        """What was asked for, for messages."""
        return f"the lists of {len(self.records)} parents in {self.key}"


def landed_parents(parent: Parent, day: date, store: Store, max_record_bytes: int) -> LandedParents:
    """Read the parents of a day.

    Raises:
        UnavailableError: they have not landed.
        InvalidDataError: the object is not an array, or a record has no usable value for a field.
    """
    key = raw_key(parent.source.name, day)
    opened = store.open(key)
    if opened is None:
        raise UnavailableError(f"{key} does not exist: ingest {parent.source.name} of {day} first")
    found: dict[tuple[str | int, ...], ParentRecord] = {}
    try:
        for item in read_records(opened.blocks(), max_record_bytes=max_record_bytes):
            for record in _records(item, parent.fields):
                found.setdefault(tuple(record.values.values()), record)
    except InvalidDataError as error:
        raise InvalidDataError(f"{key}: {error}") from None
    return LandedParents(opened, list(found.values()))


def check_unchanged(parents: LandedParents, store: Store) -> None:
    """Raise ChangedError if the parents are no longer those of the landed object."""
    present = store.head(parents.key)
    if present is None or present.info.etag != parents.opened.info.etag:
        raise ChangedError(f"{parents.key} changed while its children were fetched: fetch again")


def _records(item: Found, fields: Mapping[str, Path]) -> Iterator[ParentRecord]:
    if isinstance(item, MalformedRecord):
        raise InvalidDataError(f"record {item.position}: {item.reason}")
    for position, record in enumerate(item.records, item.first):
        values = {name: _value(bytes(record), path, position) for name, path in fields.items()}
        yield ParentRecord(position, values)


def _value(record: bytes, path: Path, position: int) -> str | int:
    with suppress(msgspec.MsgspecError, RecursionError):
        found = msgspec.json.decode(raw_at(record, path) or b"", type=str | int)
        if found not in _UNUSABLE:
            return found
    raise InvalidDataError(
        f"record {position}: expected a text or an integer at {shown_path(path)}, which the "
        "requests of its children need"
    )
