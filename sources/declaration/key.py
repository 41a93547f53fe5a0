"""The key of a source as columns of its raw table, derived from the contract."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import inspect

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paths import Path, parts_of, shown_path

# The other columns of the raw table and of its view.
_RESERVED = {"load_id", "position", "payload", "day", "loaded_at"}
_COLUMN_TYPES: dict[type[inspect.Type], str] = {
    inspect.IntType: "bigint",
    inspect.StrType: "text",
    inspect.UUIDType: "uuid",
    inspect.DateType: "date",
    inspect.DateTimeType: "timestamp with time zone",
}


class KeyField(NamedTuple):
    """One field of a key: its place in a record, its attribute, and its column."""

    parts: tuple[str, ...]  # names in the JSON of a record
    attribute: str  # dotted names of attributes of the contract
    column: str
    type: str  # of PostgreSQL


def key_fields(contract: type[msgspec.Struct], key: tuple[Path, ...]) -> tuple[KeyField, ...]:
    """Return the fields of a key. Raises DeclarationError for one that cannot be a column."""
    found = tuple(_key_field(contract, name) for name in key)
    columns = [field.column for field in found]
    if twice := {column for column in columns if columns.count(column) > 1}:
        raise DeclarationError("key", f"two fields have the column {twice.pop()!r}")
    return found


def _key_field(contract: type[msgspec.Struct], name: Path) -> KeyField:
    parts, attributes = parts_of(name), []
    type_: inspect.Type = inspect.type_info(contract)
    for part in parts:
        fields = _fields_of(type_) if isinstance(type_, inspect.StructType) else {}
        if part not in fields:
            known = ", ".join(fields) or "no fields"
            raise DeclarationError(
                "key", f"{shown_path(name)} is not in the contract, which has {known} there"
            )
        attributes.append(fields[part].name)
        is_required, type_ = fields[part].required, fields[part].type
        if not is_required:
            raise DeclarationError("key", f"{shown_path(name)} is optional in the contract")
    if type(type_) not in _COLUMN_TYPES:
        raise DeclarationError(
            "key", f"{shown_path(name)} must be an int, str, UUID, date or datetime"
        )
    column = re.sub(r"\W+", "_", "_".join(parts)).strip("_")
    if not column or column in _RESERVED:
        raise DeclarationError("key", f"{shown_path(name)} would have the column {column!r}")
    return KeyField(parts, ".".join(attributes), column, _COLUMN_TYPES[type(type_)])


def _fields_of(type_: inspect.StructType) -> Mapping[str, inspect.Field]:
    return {field.encode_name: field for field in type_.fields}
