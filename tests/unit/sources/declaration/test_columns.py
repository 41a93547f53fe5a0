"""A contract becomes columns. A field that cannot be in a key is refused by its name."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from sources.declaration.columns import columns_of, key_columns
from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paths import Path

pytestmark = pytest.mark.unit


class Inner(msgspec.Struct):
    id: uuid.UUID
    maybe: int = 0


class Colour(Enum):
    RED = "red"


class Record(msgspec.Struct):
    inner: Inner
    maybe: Inner | None
    at: datetime
    odd: int = msgspec.field(name="@id")
    signs: str = msgspec.field(name="--")
    name: str | None = None


def of_fields(*fields: tuple[str, Any]) -> list[tuple[str, str]]:
    """Return name and type of the columns of a contract with these fields: (name, type)."""
    named = [(f"a{i}", type_, msgspec.field(name=name)) for i, (name, type_) in enumerate(fields)]
    contract = msgspec.defstruct("Fields", named)
    return [(column.name, column.type) for column in columns_of(contract, ())]


def key_of(*key: Path) -> list[tuple[tuple[str, ...], str, str, str]]:
    columns = key_columns(columns_of(Record, key), Record, key)
    return [(c.parts, c.attribute, c.name, c.type) for c in columns]


def test_a_key_is_found_by_its_name_in_json() -> None:
    assert key_of("@id", "inner.id") == [
        (("@id",), "odd", "id", "bigint"),
        (("inner", "id"), "inner.id", "inner_id", "uuid"),
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("odd", "'odd' is not in the contract, which has inner, maybe, at, @id"),
        ("inner.nr", "'inner.nr' is not in the contract, which has id, maybe there"),
        ("maybe.id", "'maybe.id' is not in the contract, which has no fields there"),
        ("name", "'name' is optional in the contract"),
        ("inner.maybe", "'inner.maybe' is optional in the contract"),
        ("inner", "'inner' must be an int, str, UUID, date or datetime"),
    ],
)
def test_another_field_is_refused(name: str, says: str) -> None:
    with pytest.raises(DeclarationError, match=f"^key: {says}"):
        key_of(name)


@pytest.mark.parametrize(
    ("type_", "column"),
    [
        (int, "bigint"),
        (Annotated[int, msgspec.Meta(ge=0)], "bigint"),
        (int | None, "bigint"),
        (float, "double precision"),
        (int | float, "double precision"),
        (int | str, "jsonb"),
        (Decimal, "numeric"),
        (bool, "boolean"),
        (str | msgspec.UnsetType, "text"),
        (Literal["a", "b"], "text"),
        (Literal["a", 1], "jsonb"),
        (Colour, "text"),
        (Colour | None, "text"),
        (uuid.UUID, "uuid"),
        (date, "date"),
        (datetime, "timestamp with time zone"),
        (Inner, "jsonb"),
        (list[str], "jsonb"),
        (dict[str, int] | None, "jsonb"),
        (Any, "jsonb"),
        (None, "jsonb"),
    ],
)
def test_a_field_with_one_value_is_a_column_of_its_type(type_: Any, column: str) -> None:
    assert of_fields(("x", type_)) == [("x", column)]


def test_names_are_in_snake_case_and_each_is_given_once() -> None:
    names = ["userId", "user_id", "UserID", "@id", "id", "--", "1st", "day", "load_id", "ctid"]
    assert [name for name, _ in of_fields(*((name, str) for name in names))] == [
        *("user_id", "user_id_2", "user_id_3", "id", "id_2", "field", "field_1st"),
        *("field_day", "field_load_id", "field_ctid"),
    ]


def test_a_long_name_is_one_that_postgresql_does_not_cut() -> None:
    names = [name for name, _ in of_fields(("é" * 60, str), ("é" * 61, str))]
    assert names == ["é" * 28, "é" * 28 + "_2"]


@pytest.mark.parametrize("config", ["array_like", "tag"])
def test_a_struct_of_another_kind_is_refused(config: str) -> None:
    kinds: dict[str, Any] = {config: True}
    contract = msgspec.defstruct("Odd", [("id", int)], **kinds)
    with pytest.raises(DeclarationError, match=rf"^contract: {config}: "):
        columns_of(contract, ())


def test_more_fields_than_a_page_holds_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"^contract: it has 301 fields, more than 300"):
        of_fields(*((f"f{i}", str) for i in range(301)))
