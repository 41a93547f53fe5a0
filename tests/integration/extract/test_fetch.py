"""Hours, pages and parents: the parts of a day are the day, and a list goes on where it ended."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from local.sample_earthquakes import Earthquakes
from local.switchable import running
from local.switches import Switches
from scripts.errors import InvalidDataError, PipelineError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from sources import Source
from sources.declaration import header_link, hours, offset, pages, parents
from sources.earthquakes import EARTHQUAKES
from tests.integration.extract.test_parts import DAY, Api, body, in_parts, land
from tests.orders import EVENTS, ORDERS_COUNT, Orders, expected, shop
from tests.shapes import Shapes, shapes
from tests.unit.sources.declaration.test_source import API, Record

pytestmark = pytest.mark.integration


@pytest.fixture
def things() -> Iterator[Shapes]:
    """An API with 25 records in pages of 10."""
    with running(shapes()) as server:
        yield server


def listed(paginator: Any, path: str) -> Source:
    contract: Any = type("Any", (Record,), {})
    return Source(
        api=replace(API, paginator=paginator), name="things", path=path, contract=contract, key=None
    )


LINKED = replace(listed(header_link(), "/shopify/orders.json"), data_selector="orders")
POSITIONS = offset(limit=10, offset_param="$offset", limit_param="$limit")
COUNTED = listed(POSITIONS, "/socrata/x")


@pytest.mark.parametrize("count", [1, 3, 24])
def test_hours_are_the_day(api: Api, store: Store, count: int) -> None:
    whole = land(api, store, EARTHQUAKES)
    expected = body(store, EARTHQUAKES)
    store.delete(whole.key)
    api.requests.clear()

    landed = land(api, store, in_parts(hours(count)))

    assert (landed.sha256, landed.rows) == (whole.sha256, whole.rows)
    assert body(store, EARTHQUAKES) == expected
    assert json.loads(expected) == Earthquakes(1).of_day(DAY)
    asked = [request.query["starttime"] for request in api.requests]
    assert len(set(asked)) == len(asked) == 24 // count
    head = store.head(landed.key)
    assert head is not None
    assert (head.sha256, head.version_id) == (whole.sha256, landed.version_id)


@pytest.mark.parametrize("source", [LINKED, COUNTED], ids=["links", "positions"])
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_pages_are_the_list(things: Shapes, store: Store, source: Source, count: int) -> None:
    whole = land(things, store, source)
    store.delete(whole.key)
    landed = land(things, store, in_parts(pages(count), source))
    assert (landed.sha256, landed.rows) == (whole.sha256, 25)


def test_a_list_goes_on_where_a_failed_run_has_ended(things: Shapes, store: Store) -> None:
    source = in_parts(pages(1), COUNTED)
    things.switches = Switches(skip=2, times=1, status=503)
    with pytest.raises(PipelineError, match="503"):
        land(things, store, source)
    things.switches = Switches()
    things.requests.clear()
    landed = land(things, store, source)
    assert [request.query["$offset"] for request in things.requests] == ["20", "25"]
    assert landed.sha256 == land(things, store, COUNTED).sha256


def test_a_list_that_cannot_go_on_is_fetched_again_from_its_first_page(
    things: Shapes, store: Store
) -> None:
    """Such as one whose cursor has expired. If that is refused, too, the error is final."""
    source = in_parts(pages(1), COUNTED)
    things.switches = Switches(skip=2, times=1, status=503)
    with pytest.raises(PipelineError, match="503"):
        land(things, store, source)
    things.switches = Switches(times=1, status=410)
    things.requests.clear()
    assert land(things, store, source).rows == 25
    positions = [request.query["$offset"] for request in things.requests]
    assert positions == ["20", "0", "10", "20", "25"]

    things.switches = Switches(times=1, status=410)
    things.requests.clear()
    with pytest.raises(InvalidDataError, match="410"):
        land(things, store, source)
    assert len(things.requests) == 1, "nothing was resumed, so it would be the same again"


@pytest.fixture
def orders() -> Iterator[Orders]:
    """An API of the events of 25 orders, of which one is not known."""
    with running(shop()) as server:
        yield server


@pytest.mark.parametrize("count", [1, 10, 25, 99])
def test_parents_are_the_lists_of_all(orders: Orders, store: Store, count: int) -> None:
    content = json.dumps([{"id": n} for n in range(1, ORDERS_COUNT + 1)]).encode()
    store.put(raw_key("orders", DAY), io.BytesIO(content), "")
    whole = land(orders, store, EVENTS)
    store.delete(whole.key)
    source = in_parts(parents(count), EVENTS)
    if count == 10:
        orders.switches = Switches(skip=20, status=500)
        with pytest.raises(PipelineError, match="500"):
            land(orders, store, source)
        orders.switches = Switches()
        orders.requests.clear()
    landed = land(orders, store, source)
    if count == 10:
        assert "/orders/1/events" not in {request.path for request in orders.requests}
    assert (landed.sha256, landed.rows, landed.missing) == (whole.sha256, whole.rows, 1)
    assert json.loads(body(store, EVENTS)) == expected()
