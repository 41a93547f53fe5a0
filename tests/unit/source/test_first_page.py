"""The first page is held against the declaration, and nothing lands."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pytest

from local.switchable import running
from scripts.errors import InvalidDataError
from scripts.settings import Endpoint, RunSettings
from scripts.source.first_page import FirstPage, look
from sources.declaration import Api, Source, header_link, page_number, single_page
from tests.shapes import Shapes, shapes

pytestmark = pytest.mark.unit


class Thing(msgspec.Struct):
    id: int
    title: str


@pytest.fixture(scope="module")
def api() -> Iterator[Shapes]:
    with running(shapes()) as server:
        yield server


def seen(api: Shapes, **changes: Any) -> FirstPage:
    declared = Api(name="shape", paginator=changes.pop("paginator", page_number()))
    given = {"path": "/coingecko/x", "contract": Thing, "key": None, **changes}
    source = Source(api=declared, name="things", **given)
    return look(source, Endpoint(api.url), date(2026, 1, 1), RunSettings(http_retries=0))


def test_a_declaration_that_fits_is_good(api: Shapes) -> None:
    found = seen(api, path="/ndjson/x", format="ndjson", key=("id",), paginator=single_page())
    assert found.is_good
    assert (found.records, found.duplicates, found.violations) == (25, 0, {})
    assert found.following == "none: the list ends here"
    assert found.new_fields == ["ratio"]


def test_the_next_page_and_the_total_are_shown(api: Shapes) -> None:
    found = seen(api, contract=msgspec.defstruct("Any", []))
    assert (found.records, found.total) == (10, 25)
    assert found.following == f"{api.url}/coingecko/x?page=2"


def test_what_does_not_fit_is_counted(api: Shapes) -> None:
    found = seen(api, path="/stripe/x", data_selector="data", paginator=header_link())
    assert not found.is_good
    assert found.violations.total() == 10
    assert found.following.startswith("unknown: ")
    assert "has_more" in found.following


def test_a_key_that_is_not_unique_is_counted(api: Shapes) -> None:
    """Every event has the same kind."""
    contract = msgspec.defstruct("Charge", [("id", str), ("currency", str)])
    given = {"path": "/charges/x", "contract": contract, "paginator": single_page()}
    assert seen(api, **given, key=("id",)).is_good
    found = seen(api, **given, key=("currency",))
    assert not found.is_good
    assert found.duplicates == 24


def test_a_place_that_does_not_exist_is_an_error(api: Shapes) -> None:
    with pytest.raises(InvalidDataError, match="no array at 'data'; found: the top level"):
        seen(api, data_selector="data")
