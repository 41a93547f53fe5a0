"""Decode records into the values of their raw table's columns. Invariant: the contract decides.

A column with one value is decoded as its type. A column of type jsonb keeps the bytes of its field,
which the contract checks in a second pass.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import reduce
from operator import add, attrgetter, or_
from types import GenericAlias, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Raw
from msgspec.structs import astuple

from sources import Source
from sources.declaration.columns import Column

Values: TypeAlias = tuple[Any, ...]  # one for each column of the source, in their order
Extra: TypeAlias = Mapping[str, Raw]  # the fields outside the contract

_LOW, _HIGH = -(2**63), 2**63 - 1  # of bigint
_NUMERIC_DIGITS = 131_072  # of a numeric, before its point
_NUMERIC_SCALE = 16_383
_FIELDS = msgspec.json.Decoder(list[dict[str, Raw]])


class RowDecoder:
    """Decodes records of one source.

    Attributes:
        names: the fields of the contract, as JSON names them.
    """

    def __init__(self, source: Source) -> None:
        columns = [column for column in source.columns if len(column.parts) == 1]
        self.names = {column.parts[0] for column in columns}
        hints = get_type_hints(source.contract, include_extras=True)
        self._strict = _array(_row_type(columns, hints, is_strict=True))
        self._open = _array(_row_type(columns, hints, is_strict=False))
        is_checked = any(c.type == "jsonb" and hints[c.attribute] is not Any for c in columns)
        is_checked = is_checked or hasattr(source.contract, "__post_init__")
        self._contract = _array(source.contract) if is_checked else None
        inner = [column for column in source.columns if len(column.parts) > 1]
        self._inner = [attrgetter(column.attribute) for column in inner]
        limited = {c: i for i, c in enumerate(source.columns) if c.type == "numeric" or c in inner}
        self._limits = [(i, _LIMITS[c.type]) for c, i in limited.items() if c.type in _LIMITS]

    def rows(self, text: bytes, shorter: bytes | None = None) -> list[Values]:
        """Return the rows of an array of records that have no field outside the contract.

        `shorter` is the same array for the contract alone, without numbers that it cannot read.

        Raises:
            msgspec.MsgspecError: a record breaks the contract, or has another field.
            RecursionError: the nesting is too deep.
        """
        return self._checked(self._strict.decode(text), shorter or text)

    def rows_with_extras(self, text: bytes) -> tuple[list[Values], list[Extra]]:
        """Return the rows of an array of records, and their fields outside the contract."""
        rows, names = self._checked(self._open.decode(text), text), self.names
        records = _FIELDS.decode(text)
        return rows, [{n: raw for n, raw in r.items() if n not in names} for r in records]

    def _checked(self, decoded: Sequence[msgspec.Struct], text: bytes) -> list[Values]:
        rows = list(map(astuple, decoded))
        if self._contract:
            records = self._contract.decode(text)
            for get in self._inner:
                rows = list(map(add, rows, zip(map(get, records))))
        for index, fits in self._limits:
            for number, row in enumerate(rows):
                if row[index] is not None and not fits(row[index]):
                    raise msgspec.ValidationError(f"Number out of range - at `$[{number}]`")
        return rows


def _array(record: type[msgspec.Struct]) -> msgspec.json.Decoder[list[Any]]:
    return msgspec.json.Decoder(GenericAlias(list, record))


def _row_type(
    columns: Sequence[Column], hints: Mapping[str, Any], *, is_strict: bool
) -> type[msgspec.Struct]:
    """Return a type of the columns' values. It tells nothing about what is inside of jsonb."""
    return msgspec.defstruct(
        "Row",
        [(f"c{i}", *_typed(column, hints[column.attribute])) for i, column in enumerate(columns)],
        rename={f"c{i}": column.parts[0] for i, column in enumerate(columns)},
        forbid_unknown_fields=is_strict,
        kw_only=True,
        gc=False,  # rows form no cycles: the garbage collector can skip them
    )


def _typed(column: Column, hint: Any) -> tuple[Any, ...]:
    """Return the type of a value, and what stands for an absent one if the field is optional."""
    if column.type == "jsonb":
        return (Raw,) if column.is_required else (Raw, Raw())
    return (_storable(hint),) if column.is_required else (_storable(hint), None)


def _storable(hint: Any) -> Any:
    """Return a type hint whose values fit into the column: integers of 64 bits, plain values."""
    arguments = get_args(hint)
    if get_origin(hint) is Annotated:
        return Annotated[(_storable_base(arguments[0], arguments[1:]), *arguments[1:])]
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not int or float not in arguments]
        return reduce(or_, map(_storable, kinds))
    return _storable_base(hint, ())


def _storable_base(hint: Any, metas: Sequence[Any]) -> Any:
    # Of typing.NewType, and of the statement `type`.
    if alias := getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None):
        return _storable(alias)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Literal[tuple(member.value for member in hint)]
    if hint is not int:
        return hint
    has_low = any(getattr(m, n, None) is not None for m in metas for n in ("ge", "gt"))
    has_high = any(getattr(m, n, None) is not None for m in metas for n in ("le", "lt"))
    return Annotated[int, Meta(ge=None if has_low else _LOW, le=None if has_high else _HIGH)]


def _fits_bigint(value: int) -> bool:
    return _LOW <= value <= _HIGH


def _fits_numeric(value: Decimal) -> bool:
    if not value.is_finite():
        return True
    return value.adjusted() < _NUMERIC_DIGITS and -int(value.as_tuple().exponent) <= _NUMERIC_SCALE


# What msgspec does not limit: decimal numbers, and integers of a key inside another field.
_LIMITS: dict[str, Callable[[Any], bool]] = {"bigint": _fits_bigint, "numeric": _fits_numeric}
