"""The declared sources of the sample: their names, keys and contracts."""

from typing import Any

import msgspec
import pytest

from local.sample_data import Sample
from sources import Source
from sources.jsonplaceholder import COMMENTS, POSTS, SOURCES, USERS

pytestmark = pytest.mark.unit

_BY_NAME = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def _decode(source: Source, record: dict[str, Any]) -> msgspec.Struct:
    return msgspec.json.decode(msgspec.json.encode(record), type=source.contract)


def test_three_sources_are_declared_and_posts_come_first() -> None:
    assert SOURCES == (POSTS, COMMENTS, USERS)
    assert {source.name: source.path for source in SOURCES} == {
        "posts": "/posts",
        "comments": "/comments",
        "users": "/users",
    }


@_BY_NAME
def test_every_key_field_is_in_the_contract(source: Source) -> None:
    assert source.key
    assert set(source.key) <= {
        field.encode_name for field in msgspec.structs.fields(source.contract)
    }


@_BY_NAME
def test_the_contract_names_the_fields_of_the_api_and_requires_each(source: Source) -> None:
    record = Sample(30, 1).record(source.name, 1)
    assert msgspec.to_builtins(_decode(source, record)) == record
    for field in record:
        without = {name: value for name, value in record.items() if name != field}
        with pytest.raises(msgspec.ValidationError, match=f"`{field}`"):
            _decode(source, without)


@_BY_NAME
def test_a_new_field_does_not_break_the_contract(source: Source) -> None:
    record = Sample(30, 1).record(source.name, 1)
    assert _decode(source, {**record, "tags": ["a"]}) == _decode(source, record)


@pytest.mark.parametrize(
    ("source", "field", "value"),
    [
        (POSTS, "id", "1"),
        (POSTS, "userId", "1"),
        (POSTS, "title", None),
        (COMMENTS, "postId", 1.5),
        (USERS, "address", {"street": "a"}),
        (USERS, "company", "none"),
    ],
)
def test_a_wrong_value_breaks_the_contract(source: Source, field: str, value: Any) -> None:
    record = Sample(30, 1).record(source.name, 1)
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{field}"):
        _decode(source, {**record, field: value})
