"""What belongs to a person: the records that refer to one record, directly or through others.

A source declares in `references` which of its fields hold keys of another source. The landing zone,
in every version, and the warehouse are searched, so that records count of which one has been
deleted already.
"""

from collections.abc import Callable

import msgspec

from scripts.erase.from_landing import records_of, versions_below
from scripts.erase.wanted import Wanted, key_in
from scripts.errors import ConfigurationError, InvalidDataError
from scripts.landing.keys import raw_prefix
from scripts.landing.store import Store, UnreadableError
from scripts.load.raw_rows import raw_rows
from scripts.warehouse.connection import connect, plain_errors
from sources import SOURCES, Source
from sources.declaration.paths import parts_of


def find_subject(
    source: Source,
    key: str,
    store: Store,
    dsn: str,
    max_record_bytes: int,
    show: Callable[[str], None],
) -> list[Wanted]:
    """Return the record and everything that refers to it, what refers to others first.

    In this order a killed erasure finds the rest again.

    Raises:
        ConfigurationError: a reference names a source that is not declared, or whose key is not one
            field.
    """
    found = {source.name: Wanted.of_key(source, key)}
    grown = {source.name}
    while grown:
        targets, grown = grown, set()
        for other in SOURCES.values():
            if not targets & {*other.references.values()}:
                continue
            show(f"looking for what refers to {', '.join(sorted(targets))} in {other.name}")
            wanted = _referring(other, found)
            known = wanted.keys
            keys = known | _landed(wanted, store, max_record_bytes) | _loaded(wanted, dsn)
            found.pop(other.name, None)  # it belongs behind everything that it refers to
            found[other.name] = Wanted(other, keys, wanted.references)
            if keys != known:
                grown.add(other.name)
    return list(reversed(found.values()))


def _referring(source: Source, found: dict[str, Wanted]) -> Wanted:
    references = {}
    for path, target in source.references.items():
        if target not in SOURCES or len(SOURCES[target].key_fields) != 1:
            raise ConfigurationError(
                f"source {source.name}: {path!r} refers to {target}, which must be a declared "
                "source with a key of one field"
            )
        if target in found:
            references[parts_of(path)] = frozenset(value for (value,) in found[target].keys)
    known = found[source.name].keys if source.name in found else frozenset()
    return Wanted(source, known, references)


def _landed(wanted: Wanted, store: Store, max_record_bytes: int) -> set[tuple[str, ...]]:
    """Return the keys of the records in every version of every object."""
    keys: set[tuple[str, ...]] = set()
    for version in versions_below(store, raw_prefix(wanted.source.name)):
        try:
            for record in filter(wanted.is_in, records_of(store, version, max_record_bytes)):
                keys |= _readable_key(wanted.source, record)
        except (InvalidDataError, UnreadableError):  # the erasure names the object
            continue
    return keys


def _readable_key(source: Source, record: bytes) -> set[tuple[str, ...]]:
    try:
        key = key_in(source, msgspec.json.decode(record))
    except (msgspec.MsgspecError, RecursionError):
        return set()
    return {tuple(map(str, key))} if key and None not in key else set()


def _loaded(wanted: Wanted, dsn: str) -> set[tuple[str, ...]]:
    """Return the keys of the rows of every load, as JSON spells their values."""
    if not (wanted.source.key_fields and wanted.references):
        return set()
    with connect(dsn) as connection, plain_errors():
        return raw_rows(connection, wanted.source).keys_of(wanted.references)
