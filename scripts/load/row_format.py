"""The bytes of rows for COPY BINARY. Invariant: a value ends in its column as the record has it.

The columns of a batch are packed one after the other, and then woven into rows, so that a row needs
no Python step of its own. https://www.postgresql.org/docs/17/sql-copy.html describes the format.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, repeat
from operator import attrgetter
from typing import Any

import msgspec

from scripts.load.row_decoder import Extra, Values
from sources import Source

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of PostgreSQL's dates and timestamps
_MICROSECOND = timedelta(microseconds=1)
_DIGIT = 4  # decimal digits of one digit of numeric
# Types of fixed size: a column of them that is never null needs one step for all of a row.
_FIXED = {"bigint": ("q", 8), "double precision": ("d", 8), "boolean": ("?", 1)}


class RowFormat:
    """Packs rows of one load of a source.

    Attributes:
        names: the columns of the table, in the order in which they are packed.
    """

    def __init__(self, source: Source, load_id: int) -> None:
        columns = list(enumerate(source.columns))
        fixed = [(i, c) for i, c in columns if c.type in _FIXED and not c.is_null]
        others = [(i, c) for i, c in columns if c.type not in _FIXED or c.is_null]
        names = [[c.name for _, c in fixed], ["extra"], [c.name for _, c in others]]
        self.names = ["load_id", "position", *chain.from_iterable(names)]
        self._start = repeat(struct.pack(">hiqi", len(self.names), 8, load_id, 8))
        self._fixed = [(i, repeat(_FIXED[c.type][1])) for i, c in fixed]
        self._head = ">18sq" + "".join("i" + _FIXED[c.type][0] for _, c in fixed)
        self._others = [(i, c.type, c.is_null) for i, c in others]

    def pack(
        self, positions: Iterable[int], rows: Sequence[Values], extras: Sequence[Extra]
    ) -> bytes:
        """Return the packed rows. Without `extras`, no row has one."""
        if not rows:
            return b""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        form, values = self._head, [self._start, positions]
        for index, size in self._fixed:
            values += [size, columns[index]]
        parts: list[Iterable[bytes]] = []
        for sizes, data in self._sized(columns, extras):
            parts.append(map(struct.Struct(f"{form}i").pack, *values, sizes))
            form, values = ">", []
            if data is not None:
                parts.append(data)
        woven: list[bytes] = [b""] * (len(parts) * len(rows))
        for number, part in enumerate(parts):
            woven[number :: len(parts)] = part
        return b"".join(woven)

    def _sized(
        self, columns: Sequence[Sequence[Any]], extras: Sequence[Extra]
    ) -> Iterator[tuple[Iterable[int], Sequence[bytes] | None]]:
        """Yield the sizes of the values of each other column, -1 for null, and their bytes."""
        yield _nullable(_extra, extras) if extras else (repeat(-1), None)
        for index, type_, is_null in self._others:
            if is_null:
                yield _nullable(_ENCODERS.get(type_, _jsonb), columns[index])
            else:
                data = list(map(_ENCODERS[type_], columns[index]))
                yield map(len, data), data


def _nullable(
    encode: Callable[[Any], bytes | None], values: Sequence[Any]
) -> tuple[list[int], list[bytes]]:
    data = [None if value is None else encode(value) for value in values]
    return [-1 if d is None else len(d) for d in data], [d or b"" for d in data]


def _jsonb(value: msgspec.Raw) -> bytes | None:
    """Return a field of any type. An absent one and null are null."""
    text = bytes(value)
    return b"\x01" + text if text not in (b"", b"null") else None


def _extra(fields: Extra) -> bytes | None:
    return b"\x01" + msgspec.json.encode(fields) if fields else None


def _timestamp(value: datetime) -> bytes:
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    return struct.pack(">q", (moment - _EPOCH) // _MICROSECOND)


def _date(value: date) -> bytes:
    return struct.pack(">i", (value - _EPOCH.date()).days)


def _numeric(value: Decimal) -> bytes:
    """Return a decimal number with as many places as it was written with."""
    if not value.is_finite():
        sign = 0xC000 if value.is_nan() else 0xF000 if value.is_signed() else 0xD000
        return struct.pack(">hhHh", 0, 0, sign, 0)
    places = max(0, -int(value.as_tuple().exponent))
    whole, _, fraction = f"{value.copy_abs():f}".partition(".")
    before = -(-len(whole) // _DIGIT)
    text = whole.zfill(before * _DIGIT) + fraction
    text += "0" * (-len(text) % _DIGIT)
    digits = [int(text[i : i + _DIGIT]) for i in range(0, len(text), _DIGIT)]
    sign = 0x4000 if value.is_signed() and value else 0
    return struct.pack(f">HhHh{len(digits)}h", len(digits), before - 1, sign, places, *digits)


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "bigint": struct.Struct(">q").pack,
    "double precision": struct.Struct(">d").pack,
    "boolean": struct.Struct(">?").pack,
    "text": str.encode,
    "uuid": attrgetter("bytes"),
    "date": _date,
    "timestamp with time zone": _timestamp,
    "numeric": _numeric,
}
