"""Find rows by the key of their record, or by what it refers to. Invariant: none is overlooked.

PostgreSQL takes a condition. The rows of a Delta table are compared here, because its engine cannot
read a field inside JSON.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from operator import or_
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql

from scripts.load.arrow_rows import microseconds, moment
from scripts.load.raw_tables import value_at
from sources import Source

Key = tuple[str, ...]  # the values of the key fields as text, in their order
References = Mapping[tuple[str, ...], Collection[str]]  # by the place of a field, values as text
_MOMENT = "timestamp with time zone"
# Types whose values have several spellings.
_READERS: dict[str, Callable[[str], Any]] = {
    "uuid": UUID,
    "date": date.fromisoformat,
    _MOMENT: datetime.fromisoformat,
}


def condition(
    source: Source, keys: Collection[Key], references: References
) -> tuple[sql.Composed, list[Any]]:
    """Return a condition on keys and references, and its values. It compares numbers as texts."""
    conditions, values = [], []
    columns = list(source.key_columns.items())
    if columns and keys:
        names, arrays = [], []
        for (column, type_), texts in zip(columns, zip(*keys, strict=True), strict=True):
            is_text = type_ not in _READERS
            names.append(sql.SQL("{}::text" if is_text else "{}").format(sql.Identifier(column)))
            arrays.append(sql.SQL(f"%s::{'text' if is_text else type_}[]"))
            values.append(list(texts) if is_text else [_read(type_, text) for text in texts])
        conditions.append(
            sql.SQL("({}) in (select * from unnest({}))").format(
                sql.SQL(", ").join(names), sql.SQL(", ").join(arrays)
            )
        )
    for place, referred in references.items():
        conditions.append(sql.SQL("{} = any(%s)").format(value_at(source, place)))
        values.append(list(referred))
    return sql.SQL(" or ").join(conditions), values


class RowMatcher:
    """Compares the rows of Arrow batches with keys and references.

    Attributes:
        columns: the names of the columns that it reads.
    """

    def __init__(self, source: Source, keys: Collection[Key], references: References) -> None:
        self._types = source.key_columns
        types = self._types.values()
        self._keys = {tuple(map(_comparable, types, key)) for key in keys}
        self._places = [
            (_column_at(source, place), frozenset(values)) for place, values in references.items()
        ]
        names = [*self._types, *(column[0] for column, _ in self._places)]
        self.columns = list(dict.fromkeys(names))

    def matches(self, batch: Any) -> list[bool]:
        """Return for each row whether it has one of the keys or one of the references."""
        found = [False] * len(batch)
        if self._types:
            columns = [_values(batch, name, type_) for name, type_ in self._types.items()]
            found = [key in self._keys for key in zip(*columns, strict=True)]
        for column, wanted in self._places:
            refers = [text in wanted for text in _texts(batch, *column)]
            found = list(map(or_, found, refers))
        return found

    def keys(self, batch: Any) -> Iterator[Key]:
        """Yield the key of each row that matches, as JSON spells its values."""
        columns = [
            [_spelled(value, type_) for value in _values(batch, name, type_)]
            for name, type_ in self._types.items()
        ]
        for key, is_found in zip(zip(*columns, strict=True), self.matches(batch), strict=True):
            if is_found:
                yield key


def spelled_at(fields: Any, parts: Sequence[str]) -> str | None:
    """Return the value at a place as text. 7.0 is 7: the contract rejects it, the key is the same.

    None if nothing is there.
    """
    for part in parts:
        fields = fields.get(part) if isinstance(fields, dict) else None
    if fields is None:
        return None
    return str(int(fields) if isinstance(fields, float) and fields.is_integer() else fields)


def _read(type_: str, text: str) -> Any:
    """Return a value of a type, or None, which is equal to no value."""
    with suppress(ValueError):
        return _READERS[type_](text)
    return None


def _comparable(type_: str, text: str) -> Any:
    """Return a value as `_values` has it, or None, which is equal to no key."""
    value = _read(type_, text) if type_ in _READERS else text
    match value:
        case UUID():
            return str(value)
        case datetime():
            return microseconds(value)
    return value


def _values(batch: Any, name: str, type_: str) -> list[Any]:
    """Return the values of a column: moments as microseconds, integers as texts."""
    column = batch.column(name)
    if type_ == _MOMENT:
        column = column.cast("int64")
    values = column.to_pylist()
    return [spelled_at(value, ()) for value in values] if type_ == "bigint" else list(values)


def _spelled(value: Any, type_: str) -> str | None:
    is_moment = type_ == _MOMENT and value is not None
    return moment(value).isoformat() if is_moment else spelled_at(value, ())


def _column_at(source: Source, place: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """Return the column of a field, its type, and where in its JSON the field is."""
    for column in source.columns:
        if column.parts == place[:1]:
            return column.name, column.type, place[1:]
    return "extra", "jsonb", place


def _texts(batch: Any, name: str, type_: str, inside: tuple[str, ...]) -> list[str | None]:
    """Return the texts of a field."""
    if type_ != "jsonb":
        return [_spelled(value, type_) for value in _values(batch, name, type_)]
    texts = batch.column(name).to_pylist()
    return [text and spelled_at(msgspec.json.decode(text), inside) for text in texts]
