"""The records to erase. Invariant: exactly these in valid JSON, rather too many in invalid JSON."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import msgspec

from scripts.load.row_search import spelled_at
from sources import Source


@dataclass(frozen=True)
class Wanted:
    """Records of one source, by their keys or by what they refer to.

    Attributes:
        source: the source of the records.
        keys: for each record the values of its key fields as text, in their order.
        references: by the place of a field, values as text. A record with one of them is wanted.
    """

    source: Source
    keys: frozenset[tuple[str, ...]]
    references: Mapping[tuple[str, ...], frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of_key(cls, source: Source, *values: str) -> Self:
        """Return the one record with this key."""
        return cls(source, frozenset({values}))

    def is_in(self, record: bytes) -> bool:
        """Return whether a record is wanted, or may be if it is not JSON."""
        try:
            fields = msgspec.json.decode(record)
        except (msgspec.MsgspecError, RecursionError):
            return any(all(part.search(record) for part in parts) for parts in self._patterns)
        if not isinstance(fields, dict):
            return False
        return key_in(self.source, fields) in self.keys or any(
            spelled_at(fields, place) in values for place, values in self.references.items()
        )

    def is_unknown_in(self, cut: bytes) -> bool:
        """Return whether the kept beginning of a record does not contain every field that tells."""
        places = [*self.references, *(key.parts for key in self.source.key_fields)]
        return not all(msgspec.json.encode(name) in cut for place in places for name in place)

    @cached_property
    def _patterns(self) -> list[list[re.Pattern[bytes]]]:
        """For each key, and each reference, the patterns that must all be in a broken record."""
        names = [key.parts[-1] for key in self.source.key_fields]
        return [
            *(list(map(_pattern, names, key)) for key in self.keys),
            *([_pattern(place[-1], value)] for place, value in self._pairs()),
        ]

    def _pairs(self) -> Iterator[tuple[tuple[str, ...], str]]:
        for place, values in self.references.items():
            for value in values:
                yield place, value


def key_in(source: Source, fields: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return the values of the key fields as text. None for one that is not there."""
    return tuple(spelled_at(fields, key.parts) for key in source.key_fields)


def _pattern(name: str, value: str) -> re.Pattern[bytes]:
    text = re.escape(msgspec.json.encode(value)[1:-1])
    return re.compile(
        rb'%b\s*:\s*"?%b(?![0-9A-Za-z])' % (re.escape(msgspec.json.encode(name)), text)
    )
