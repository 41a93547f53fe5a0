"""A key becomes columns. What cannot be one is refused by its name."""

import uuid
from datetime import datetime

import msgspec
import pytest

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.key import KeyField, key_fields

pytestmark = pytest.mark.unit


class Inner(msgspec.Struct):
    id: uuid.UUID


class Record(msgspec.Struct):
    inner: Inner
    maybe: Inner | None
    at: datetime
    odd: int = msgspec.field(name="@id")
    signs: str = msgspec.field(name="--")


def test_a_field_is_found_by_its_name_in_json() -> None:
    assert key_fields(Record, ("@id", "inner.id")) == (
        KeyField(("@id",), "odd", "id", "bigint"),
        KeyField(("inner", "id"), "inner.id", "inner_id", "uuid"),
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("odd", "'odd' is not in the contract, which has inner, maybe, at, @id"),
        ("inner.nr", "'inner.nr' is not in the contract, which has id there"),
        ("maybe.id", "'maybe.id' is not in the contract, which has no fields there"),
        ("--", "'--' would have the column ''"),
    ],
)
def test_another_field_is_refused(name: str, says: str) -> None:
    with pytest.raises(DeclarationError, match=f"^key: {says}"):
        key_fields(Record, (name,))
