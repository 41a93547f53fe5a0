"""Find the records in a whole answer. Invariant: it proposes, and a person decides."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sources.declaration.paths import Path

_MAX_DEPTH = 4
_TOTALS = {"total", "totalcount", "totalsize", "totalresults", "totalrecords", "count", "rowcount"}
_KEY_NAMES = ("id", "uuid", "guid", "key", "code", "slug", "name", "date")

Record = dict[str, Any]


class Survey(NamedTuple):
    """Where the records are. Without a list, the answer itself is the only record."""

    selector: Path
    records: list[Record]
    is_single_record: bool


def survey(document: Any) -> list[Survey]:
    """Return the possible places of the records, the best one first."""
    found = list(_lists(document, ()))
    found.sort(key=lambda item: (-len(item.records), len(item.selector)))
    if not found and isinstance(document, dict):
        return [Survey("", [document], is_single_record=True)]
    return found


def total_place(skeleton: Any, rows: int) -> Path | None:
    """Return the place of a number that is probably the number of all records."""
    places = [
        place for place, value in _numbers(skeleton, ()) if value >= rows and _plain(place[-1])
    ]
    return _path(min(places, key=len)) if places else None


def proposed_key(records: Sequence[Record]) -> tuple[Path, ...] | None:
    """Return a field that all records have and in which they differ, or None."""
    names = [
        name
        for name in records[0]
        if all(_is_key(record.get(name)) for record in records)
        and len({type(record[name]) for record in records}) == 1
    ]
    unique = [n for n in names if len({record[n] for record in records}) == len(records)]
    by_name = [name for name in _KEY_NAMES if name in unique]
    endings = [name for name in unique if name.lower().endswith(("id", "key", "_name"))]
    best = next(iter([*by_name, *endings]), None)
    return None if best is None else (_path((best,)),)


def _lists(value: Any, place: tuple[str, ...]) -> Iterator[Survey]:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield Survey(_path(place), value, is_single_record=False)
    if isinstance(value, dict) and len(place) < _MAX_DEPTH:
        for name, inner in value.items():
            yield from _lists(inner, (*place, name))


def _numbers(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, int) and not isinstance(inner, bool):
            yield (*place, name), inner
        yield from _numbers(inner, (*place, name))


def _plain(name: str) -> bool:
    return "".join(c for c in name.lower() if c.isalpha()) in _TOTALS


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and value != ""


def _path(place: tuple[str, ...]) -> Path:
    """Return a path as text, or as a tuple if a name has a dot."""
    return place if any("." in name for name in place) else ".".join(place)
