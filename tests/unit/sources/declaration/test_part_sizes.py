"""A day can be cut into parts where its requests can name them."""

from typing import Any

import pytest

from sources.declaration import Parent, Window, hours, pages, parents
from sources.declaration.declaration_error import DeclarationError
from tests.unit.sources.declaration.test_source import declare

pytestmark = pytest.mark.unit

HOURLY = Window("from", "to", "%Y-%m-%dT%H:%M:%SZ")
CHILD = {
    "path": "/orders/{parent.id}/events",
    "parent": Parent(declare(name="parents"), {"id": "id"}),
}


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": hours(3), "day": HOURLY},
        {"parts": hours(24), "day": Window("from", "to", "epoch")},
        {"parts": pages(10)},
        {"parts": pages(1), "day": HOURLY},
        {"parts": parents(50), **CHILD},
    ],
    ids=str,
)
def test_parts_that_can_be_asked_for(changes: dict[str, Any]) -> None:
    assert declare(**changes).parts == changes["parts"]


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": 3},
        {"parts": hours},
        {"parts": hours(3)},
        {"parts": hours(3), "day": Window("from", "to")},
        {"parts": hours(3), "day": Window("from", format="epoch")},
        {"parts": parents(3)},
        {"parts": pages(3), **CHILD},
        {"parts": hours(3), **CHILD},
    ],
    ids=str,
)
def test_parts_that_cannot_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"^parts: "):
        declare(**changes)


@pytest.mark.parametrize("kind", [hours, pages, parents])
@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_a_number_that_is_none_is_refused(kind: Any, count: Any) -> None:
    with pytest.raises(DeclarationError, match=r"^parts: "):
        kind(count)


@pytest.mark.parametrize("count", [5, 7, 25, 48])
def test_hours_divide_a_day(count: int) -> None:
    with pytest.raises(DeclarationError, match="divide 24"):
        hours(count)
