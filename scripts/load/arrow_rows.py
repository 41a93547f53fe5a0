"""Rows as Arrow batches. Invariant: a value is the one that its column of PostgreSQL would have.

Delta has no type for UUIDs, for decimal numbers of any length and for JSON: they are strings. A
moment is in UTC.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from scripts.load.row_decoder import Extra, Values
from sources import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# A moment that has no year in UTC has one in the time zone in which the record spells it.
_MOST = timedelta(hours=23, minutes=59)
_EAST, _WEST = (_EPOCH.astimezone(timezone(offset)) for offset in (_MOST, -_MOST))
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ArrowRows:
    """Converts rows of one source into Arrow batches, and back.

    Attributes:
        schema: the columns of the raw table.
    """

    def __init__(self, source: Source, arrow: Any) -> None:
        self._arrow = arrow
        self._columns = [(column.name, column.type) for column in source.columns]
        types = _types(arrow)
        bigint = types["bigint"]
        self.schema = arrow.schema(
            [
                arrow.field("load_id", bigint, nullable=False),
                arrow.field("position", bigint, nullable=False),
                *(
                    arrow.field(name, types[type_], nullable=name not in source.key_columns)
                    for name, type_ in self._columns
                ),
                arrow.field("extra", arrow.string()),
            ]
        )

    def batch(
        self,
        load_id: int,
        positions: Iterable[int],
        rows: Sequence[Values],
        extras: Sequence[Extra],
    ) -> Any:
        """Return a batch. Without `extras`, no row has one."""
        values: list[Sequence[Any]] = list(zip(*rows, strict=True))
        columns: list[Sequence[Any]] = [[load_id] * len(rows), list(positions)]
        for (_, type_), column in zip(self._columns, values, strict=True):
            columns.append(_converted(_TO_ARROW.get(type_), column))
        columns.append(list(map(_extra_text, extras)) if extras else [None] * len(rows))
        arrays = [
            self._arrow.array(column, field.type)
            for column, field in zip(columns, self.schema, strict=True)
        ]
        return self._arrow.record_batch(arrays, schema=self.schema)

    def rows(self, batch: Any) -> tuple[list[int], list[Values], list[Extra]]:
        """Return the positions, the values and the extras of a batch."""
        columns = []
        for name, type_ in self._columns:
            column = batch.column(name)
            if type_.startswith("timestamp"):
                column = column.cast(self._arrow.int64())
            columns.append(_converted(_FROM_ARROW.get(type_), column.to_pylist()))
        return batch.column("position").to_pylist(), list(zip(*columns, strict=True)), extras(batch)

    def only(self, batch: Any, kept: Sequence[bool]) -> Any:
        """Return some rows of a batch that has all columns."""
        return batch.filter(self._arrow.array(kept)).select(self.schema.names).cast(self.schema)


def extras(batch: Any) -> list[Extra]:
    """Return the fields outside the contract of each row."""
    return [_FIELDS.decode(text or "{}") for text in batch.column("extra").to_pylist()]


def _types(arrow: Any) -> dict[str, Any]:
    """Return the Arrow type of each type of column."""
    return {
        "bigint": arrow.int64(),
        "double precision": arrow.float64(),
        "boolean": arrow.bool_(),
        "text": arrow.string(),
        "uuid": arrow.string(),
        "date": arrow.date32(),
        "timestamp with time zone": arrow.timestamp("us", "UTC"),
        "numeric": arrow.string(),
        "jsonb": arrow.string(),
    }


def _converted(convert: Callable[[Any], Any] | None, values: Sequence[Any]) -> Sequence[Any]:
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def _json(value: msgspec.Raw) -> str | None:
    """Return a field of any type as text. An absent one and null are null."""
    text = bytes(value).decode()
    return text if text not in ("", "null") else None


def _extra_text(fields: Extra) -> str | None:
    return msgspec.json.encode(fields).decode() if fields else None


def _decimal(value: Decimal) -> str:
    """Return the text that PostgreSQL has for it: zero has no sign."""
    return f"{value:f}" if value else f"{value.copy_abs():f}"


def microseconds(value: datetime) -> int:
    """Return the microseconds since 1970. A moment without a time zone is in UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def moment(since: int) -> datetime:
    """Return the moment so many microseconds after 1970, in UTC if it is in the years 1 to 9999."""
    try:
        return _EPOCH + timedelta(microseconds=since)
    except OverflowError:
        return (_EAST if since < 0 else _WEST) + timedelta(microseconds=since)


_TO_ARROW: dict[str, Callable[[Any], Any]] = {
    "uuid": str,
    "numeric": _decimal,
    "timestamp with time zone": microseconds,
    "jsonb": _json,
}
_FROM_ARROW: dict[str, Callable[[Any], Any]] = {
    "uuid": UUID,
    "numeric": Decimal,
    "timestamp with time zone": moment,
    "jsonb": lambda text: msgspec.Raw(text.encode()),
}
