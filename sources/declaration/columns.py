"""The columns of a raw table, derived from a contract. Invariant: the same contract, the same ones.

A field with one value is a column of its type, any other field one of type jsonb. A field of the
key that lies inside another field is a column, too.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paths import Path, parts_of, shown_path

# The other columns of the raw table, of its view, of staging models, and PostgreSQL's own.
_TAKEN = {
    *("load_id", "position", "extra", "day", "loaded_at", "is_latest", "is_published"),
    *("raw_load_id", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"),
}
_LONGEST = 56  # bytes: PostgreSQL takes 63, and a number may follow
_MOST = 300  # fields: more might not fit into a page of PostgreSQL, where a text has up to 25 bytes
_TYPES: dict[type[inspect.Type], str] = {
    inspect.IntType: "bigint",
    inspect.FloatType: "double precision",
    inspect.DecimalType: "numeric",
    inspect.BoolType: "boolean",
    inspect.StrType: "text",
    inspect.UUIDType: "uuid",
    inspect.DateType: "date",
    inspect.DateTimeType: "timestamp with time zone",
}
_KEY_TYPES = {"bigint", "text", "uuid", "date", "timestamp with time zone"}


class Column(NamedTuple):
    """One column of a raw table: its place in a record, its name, and its type.

    Attributes:
        parts: names in the JSON of a record. One, but for a key inside another field.
        attribute: dotted names of attributes of the contract.
        name: in the table.
        type: of PostgreSQL.
        is_required: whether a record must have the field.
        is_null: whether the column may be null: its field may be absent, or be null.
    """

    parts: tuple[str, ...]
    attribute: str
    name: str
    type: str
    is_required: bool
    is_null: bool


def columns_of(contract: type[msgspec.Struct], key: tuple[Path, ...]) -> tuple[Column, ...]:
    """Return the columns of the fields in the order of the contract, then those of the key.

    Raises:
        DeclarationError: a field of the key cannot be a column, or there are too many fields.
    """
    config = contract.__struct_config__
    if config.array_like:
        raise DeclarationError("contract", "array_like: a record is a JSON object")
    if config.tag is not None:
        raise DeclarationError("contract", 'tag: declare a field, such as kind: Literal["a"]')
    fields = _fields_of(inspect.type_info(contract))
    if len(fields) > _MOST:
        raise DeclarationError(
            "contract",
            f"it has {len(fields)} fields, more than {_MOST}. Leave some out: they stay in extra",
        )
    names = _Names()
    found = [_column(field, names) for field in fields.values()]
    inner = [_key_column(contract, place, names) for place in key if len(parts_of(place)) > 1]
    return (*found, *inner)


def key_columns(
    columns: tuple[Column, ...], contract: type[msgspec.Struct], key: tuple[Path, ...]
) -> tuple[Column, ...]:
    """Return the columns of the key. Raises DeclarationError for a field that cannot be in one."""
    by_place = {column.parts: column for column in columns}
    found = []
    for place in key:
        column = by_place.get(parts_of(place)) or _key_column(contract, place, _Names())
        if column.type not in _KEY_TYPES:
            raise DeclarationError(
                "key", f"{shown_path(place)} must be an int, str, UUID, date or datetime"
            )
        if column.is_null:
            raise DeclarationError("key", f"{shown_path(place)} is optional in the contract")
        found.append(column)
    if len({column.name for column in found}) < len(found):
        raise DeclarationError("key", "it names a field twice")
    return tuple(found)


class _Names:
    """The names that are given so far."""

    def __init__(self) -> None:
        self._given = set(_TAKEN)

    def of(self, *parts: str) -> str:
        """Return a new name in snake case."""
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", "_".join(parts))
        name = re.sub(r"\W+", "_", snake).strip("_").lower()
        if not name or name[0].isdigit() or name in _TAKEN:
            name = f"field_{name}".rstrip("_")
        name = wanted = name.encode()[:_LONGEST].decode(errors="ignore")
        number = 1
        while name in self._given:
            number += 1
            name = f"{wanted}_{number}"
        self._given.add(name)
        return name


def _column(field: inspect.Field, names: _Names) -> Column:
    type_ = _type_of(field.type)
    is_null = not field.required or type_ == "jsonb" or isinstance(field.type, inspect.UnionType)
    name = names.of(field.encode_name)
    return Column((field.encode_name,), field.name, name, type_, field.required, is_null)


def _type_of(found: inspect.Type) -> str:
    """Return the type of the column for the type of a field."""
    kinds = {_scalar(one) for one in _alternatives(found)}
    if kinds == {"bigint", "double precision"}:
        return "double precision"
    return kinds.pop() if len(kinds) == 1 else "jsonb"


def _alternatives(found: inspect.Type) -> Iterator[inspect.Type]:
    types = found.types if isinstance(found, inspect.UnionType) else (found,)
    return (one for one in types if not isinstance(one, inspect.NoneType))


def _scalar(found: inspect.Type) -> str:
    if isinstance(found, inspect.LiteralType | inspect.EnumType):
        values: list[Any] = (
            [member.value for member in found.cls]
            if isinstance(found, inspect.EnumType)
            else list(found.values)
        )
        return {str: "text", int: "bigint"}.get(_only({type(v) for v in values}), "jsonb")
    return _TYPES.get(type(found), "jsonb")


def _only(types: set[type]) -> type:
    return types.pop() if len(types) == 1 else object


def _key_column(contract: type[msgspec.Struct], place: Path, names: _Names) -> Column:
    parts, attributes, is_required = parts_of(place), [], True
    found: inspect.Type = inspect.type_info(contract)
    for part in parts:
        fields = _fields_of(found)
        if part not in fields:
            known = ", ".join(fields) or "no fields"
            raise DeclarationError(
                "key", f"{shown_path(place)} is not in the contract, which has {known} there"
            )
        attributes.append(fields[part].name)
        is_required = is_required and fields[part].required
        found = fields[part].type
    name, type_ = names.of(*parts), _TYPES.get(type(found), "jsonb")
    return Column(parts, ".".join(attributes), name, type_, is_required, not is_required)


def _fields_of(found: inspect.Type) -> dict[str, inspect.Field]:
    if not isinstance(found, inspect.StructType):
        return {}
    return {field.encode_name: field for field in found.fields}
