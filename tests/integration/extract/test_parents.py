"""The parents of a day come from the landed object, or the error names the record."""

import io
from typing import Any

import pytest

from scripts.errors import InvalidDataError, UnavailableError
from scripts.extract.parents import LandedParents, check_unchanged, landed_parents
from scripts.landing.keys import raw_key
from scripts.landing.store import ChangedError, Store
from sources.declaration import Parent
from tests.orders import DAY, ORDERS, PARENT

pytestmark = pytest.mark.integration
KEY = raw_key("orders", DAY)


def read(store: Store, content: bytes, **fields: str) -> LandedParents:
    store.put(KEY, io.BytesIO(content), "ab" * 32)
    parent = Parent(ORDERS, fields or {"order_id": "id"})
    return landed_parents(parent, DAY, store, 1000)


def values(found: LandedParents) -> list[tuple[int, dict[str, Any]]]:
    return [(record.position, dict(record.values)) for record in found.records]


def test_each_parent_is_asked_for_once_in_the_order_of_the_object(store: Store) -> None:
    content = b'[{"id": 3, "a": {"b": "x/y"}}, {"id": 1, "a": {"b": ""}}, {"id": 3}]'
    found = read(store, content)
    assert values(found) == [(0, {"order_id": 3}), (1, {"order_id": 1})]
    assert found.key == KEY
    named = read(store, content[:29] + b"]", text="a.b", number="id")
    assert values(named) == [(0, {"text": "x/y", "number": 3})]


@pytest.mark.parametrize(
    "record",
    [
        b"{}",
        b'{"id": null}',
        b'{"id": true}',
        b'{"id": 1.0}',
        b'{"id": [1]}',
        b'{"id": ""}',
        b'{"id": "."}',
        b'{"id": ".."}',
        b"7",
        b'{"id": NaN}',
    ],
)
def test_a_record_without_a_usable_value_is_named(store: Store, record: bytes) -> None:
    with pytest.raises(InvalidDataError, match=f"^{KEY}: record 1: "):
        read(store, b'[{"id": 1}, %b]' % record)


def test_an_object_that_is_not_an_array_is_named(store: Store) -> None:
    with pytest.raises(InvalidDataError, match=f"^{KEY}: expected a JSON array"):
        read(store, b"{}")


def test_parents_that_have_not_landed_are_waited_for(store: Store) -> None:
    with pytest.raises(UnavailableError, match=f"{KEY} does not exist: ingest orders of {DAY}"):
        landed_parents(PARENT, DAY, store, 1000)


def test_a_change_of_the_parents_is_noticed(store: Store) -> None:
    found = read(store, b'[{"id": 1}]')
    check_unchanged(found, store)
    store.put(KEY, io.BytesIO(b'[{"id": 2}]'), "ab" * 32)
    with pytest.raises(ChangedError, match="changed while its children were fetched"):
        check_unchanged(found, store)
    store.delete(KEY)
    with pytest.raises(ChangedError, match="changed"):
        check_unchanged(found, store)
