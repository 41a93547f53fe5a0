"""The key of a record as JSON: how a rejected record is recognised among the raw rows.

Invariant: the same JSON as in the view ``ops.record_keys``, which is made in
`scripts.load.raw_tables`.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from sources import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TYPES: dict[str, Any] = {
    "bigint": int,
    "text": str,
    "uuid": UUID,
    "date": date,
    "timestamp with time zone": datetime,
}


def key_reader(source: Source) -> Callable[[bytes], str]:
    """Return a function from a record's bytes to its key as a JSON object of columns.

    The object is empty if the record has no key that fits its columns.
    """
    fields = source.key_fields
    decoders: list[msgspec.json.Decoder[Any]] = [
        msgspec.json.Decoder(_TYPES[field.type]) for field in fields
    ]

    def read(record: bytes) -> str:
        found: dict[str, Any] = {}
        with suppress(msgspec.MsgspecError, RecursionError, KeyError, ValueError):
            for field, decoder in zip(fields, decoders, strict=True):
                value = msgspec.Raw(record)
                for part in field.parts:
                    value = _FIELDS.decode(value)[part]
                found[field.name] = _plain(decoder.decode(value))
            return msgspec.json.encode(found).decode()
        return "{}"

    return read


def key_of_texts(source: Source, texts: Sequence[str]) -> str:
    """Return the same JSON for a key that is given as the text of each of its fields."""
    found: dict[str, Any] = {}
    with suppress(msgspec.MsgspecError, ValueError):
        for field, text in zip(source.key_fields, texts, strict=True):
            value = msgspec.convert(text, _TYPES[field.type], strict=False)
            found[field.name] = _plain(value)
        return msgspec.json.encode(found).decode()
    return "{}"


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (moment - _EPOCH) // timedelta(microseconds=1)
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError("does not fit into 64 bits")
        case str() if "\0" in value:
            raise ValueError("cannot be stored")
    return value


def read_missing_keys(connection: Connection, source: Source) -> int:
    """Write the key of each reject that has none yet. Return how many were read.

    Rejects of an earlier release have none, nor have those of a source whose key was changed.
    """
    read = key_reader(source)
    with connection.cursor("rejects") as found, connection.cursor() as writer:
        found.execute(
            """
            select rejects.load_id, rejects.position, rejects.record
            from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
            where loads.source = %s and rejects.record_key is null
            """,
            [source.name],
        )
        keys = [(read(record), load_id, position) for load_id, position, record in found]
        writer.executemany(
            "update ops.rejects set record_key = %s where load_id = %s and position = %s",
            keys,
        )
    return len(keys)
