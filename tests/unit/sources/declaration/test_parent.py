"""A child that cannot be asked for fails when it is declared, and has the day of its parent."""

from dataclasses import replace
from typing import Any

import pytest

from sources.declaration import Api, Changes, Parent, Snapshot, Source, Window, header_link
from sources.declaration.declaration_error import DeclarationError
from sources.declaration.parent import filled, filled_url
from tests.orders import API, EVENTS, ORDERS, PARENT

pytestmark = pytest.mark.unit

WINDOW = replace(ORDERS, day=Window("from", "to", lookback_days=2))
OTHER = replace(ORDERS, api=Api(name="other", paginator=header_link()))


def test_a_child_has_the_day_of_its_parent_without_its_parameters() -> None:
    child = replace(EVENTS, day=Snapshot(), parent=Parent(ORDERS, {"order_id": "id"}))
    assert child.day == EVENTS.day == Snapshot()
    declared: dict[str, Any] = {
        "api": API,
        "name": "events",
        "path": "/e/{parent.n}",
        "contract": EVENTS.contract,
    }
    windowed = Source(**declared, parent=Parent(WINDOW, {"n": "id"}))
    assert windowed.day == Window(lookback_days=2)
    assert windowed.bounds == frozenset()
    assert replace(windowed, name="renamed").day == windowed.day
    path = "/e/{parent.n}?at={window.start}"
    assert replace(windowed, path=path).bounds == {"start"}


def test_its_key_may_have_the_key_of_the_parent() -> None:
    assert EVENTS.key_columns == {"parent_order_id": "bigint", "id": "bigint"}


def test_a_parent_may_have_a_parent() -> None:
    parent = Parent(EVENTS, {"event": "id", "order": "_parent.order_id"})
    deep = replace(EVENTS, name="deep", path="/{parent.order}/{parent.event}", parent=parent)
    assert deep.day == Snapshot()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"path": "/x/{parent.id}"}, "path: {parent.id}: fields has order_id"),
        ({"params": {"o": "{parent.oder}"}}, "params.o: {parent.oder}: fields has order_id"),
        (
            {"method": "POST", "json": {"q": ["a{parent.x}"]}},
            "json.q: {parent.x}: fields has order_id",
        ),
        ({"path": "/{parent.order_id}/{parent}"}, "path: expected {window.start}"),
        ({"path": "/x"}, "parent: the request does not name it: write {parent.order_id}"),
        ({"parent": None}, "path: {parent.order_id}: that needs parent=Parent(...)"),
        ({"parent": ORDERS}, "parent: expected a Parent"),
        ({"parent": Parent(OTHER, {"order_id": "id"})}, "parent.source: orders belongs to another"),
        ({"day": Changes("since")}, "day: leave it out: it is that of the parent orders"),
        (
            {"day": Snapshot(), "parent": Parent(WINDOW, {"order_id": "id"})},
            "day: leave it out",
        ),
        ({"path": "/{parent.order_id}/{window.start}"}, "path: {window.start} needs day=Window()"),
    ],
)
def test_a_child_that_cannot_work_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        replace(EVENTS, **changes)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fields": {}}, "parent.fields: expected names such as"),
        ({"fields": ("id",)}, "parent.fields: expected names such as"),
        ({"fields": {"order-id": "id"}}, "parent.fields: expected a plain name, got 'order-id'"),
        ({"fields": {"n": ""}}, "parent.fields.n: expected names"),
        ({"fields": {"n": "a..b"}}, "parent.fields.n: expected names"),
        ({"fields": {"n": "*.id"}}, "parent.fields.n: expected no *"),
        ({"on_missing": "ignore"}, "parent.on_missing: expected refuse or skip, got 'ignore'"),
        ({"concurrency": 0}, "parent.concurrency: expected 1 to 32, got 0"),
        ({"concurrency": 33}, "parent.concurrency: expected 1 to 32, got 33"),
    ],
)
def test_a_parent_that_cannot_work_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        replace(PARENT, **changes)
    assert str(caught.value).startswith(says)


def test_values_fill_their_places() -> None:
    values: dict[str, str | int] = {"a": 7, "b": "x/{parent.a}?ü"}
    assert filled("{parent.a}", values) == 7
    assert filled("{parent.a}-{parent.b}", values) == "7-x/{parent.a}?ü"
    assert filled_url("/o/{parent.b}/{parent.a}?b={parent.b}", values) == (
        "/o/x%2F%7Bparent.a%7D%3F%C3%BC/7?b=x%2F%7Bparent.a%7D%3F%C3%BC"
    )
