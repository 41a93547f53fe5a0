"""The events of orders land with their order, from the orders that have landed."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from local.switchable import running
from local.switches import Answer, Request, Switches
from scripts.errors import InvalidDataError, InvalidInputError, UnavailableError
from scripts.extract.extract import ExtractResult, extract, extract_pending
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.settings import Endpoint
from sources import Source
from sources.declaration import Window
from tests.orders import (
    DAY,
    EVENTS,
    ORDERS,
    ORDERS_COUNT,
    PARENT,
    SETTINGS,
    Orders,
    expected,
    shop,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def api() -> Iterator[Orders]:
    with running(shop()) as server:
        yield server


def land(api: Orders, store: Store, source: Source = EVENTS) -> ExtractResult:
    return extract(source, DAY, Endpoint(api.url), store, SETTINGS)


def put_orders(store: Store, *ids: int) -> None:
    content = json.dumps([{"id": n} for n in ids]).encode()
    store.put(raw_key("orders", DAY), io.BytesIO(content), "")


def body(store: Store) -> bytes:
    opened = store.open(raw_key("events", DAY))
    assert opened is not None
    return b"".join(opened.blocks())


def test_every_order_is_asked_for_its_events_and_none_for_the_orders(
    api: Orders, store: Store
) -> None:
    land(api, store, ORDERS)
    api.requests.clear()
    landed = land(api, store)
    assert json.loads(body(store)) == expected()
    assert (landed.rows, landed.missing, landed.is_new) == (len(expected()), 1, True)
    assert landed.facts()["missing"] == 1
    assert "/orders" not in {request.path for request in api.requests}
    again = land(api, store)
    assert (again.is_new, again.version_id) == (False, landed.version_id)


def test_the_object_says_which_orders_it_belongs_to(api: Orders, store: Store) -> None:
    put_orders(store, 1, 2, 3)
    first = land(api, store)
    put_orders(store, 1, 2, 3, 4)  # which has no events
    second = land(api, store)
    assert (second.sha256, second.is_new) == (first.sha256, False)
    head, orders = store.head(second.key), store.head(raw_key("orders", DAY))
    assert head is not None
    assert orders is not None
    assert head.parent_etag == orders.landed_etag == orders.info.etag


def test_orders_have_to_land_first(api: Orders, store: Store) -> None:
    with pytest.raises(UnavailableError, match="ingest orders of 2026-01-01 first"):
        land(api, store)
    assert not api.requests


def test_a_day_without_any_event_is_refused_unless_it_is_allowed(api: Orders, store: Store) -> None:
    put_orders(store, 4, 8)
    with pytest.raises(InvalidDataError, match=r"lists of 2 parents in raw/orders/.* empty"):
        land(api, store)
    assert land(api, store, replace(EVENTS, allows_empty=True)).rows == 0
    assert body(store) == b"[\n]\n"


def test_statuses_and_null_can_mean_that_one_order_has_no_events(api: Orders, store: Store) -> None:
    put_orders(store, 2, 1)
    api.switches = Switches(times=1, status=204)
    parent = replace(PARENT, concurrency=1)
    assert land(api, store, replace(EVENTS, parent=parent)).rows == 1


def test_orders_that_change_in_the_meantime_land_nothing(api: Orders, store: Store) -> None:
    put_orders(store, 1)
    original = api.app

    def change(request: Request, switches: Switches) -> Answer:
        put_orders(store, 1, 2)
        return original(request, switches)

    api.app = change
    with pytest.raises(UnavailableError, match="changed while its children were fetched"):
        land(api, store)
    assert store.head(raw_key("events", DAY)) is None
    api.app = original
    assert land(api, store).rows == 3


def test_values_fill_path_parameters_and_body(api: Orders, store: Store) -> None:
    content = b'[{"id": "1/../2?x=1#&{parent.order_id}"}]'
    store.put(raw_key("orders", DAY), io.BytesIO(content), "")
    api.switches = Switches(body="[]")
    place = "{parent.order_id}"
    source = replace(
        EVENTS,
        path=f"/a/{place}/b",
        params={"one": place, "two": f"x{place}"},
        method="POST",
        json={"deep": [place], "more": f"-{place}"},
        allows_empty=True,
    )
    land(api, store, source)
    [request] = api.requests
    value = "1/../2?x=1#&{parent.order_id}"
    assert request.path == "/a/1%2F..%2F2%3Fx%3D1%23%26%7Bparent.order_id%7D/b"
    assert (request.query["one"], request.query["two"]) == (value, f"x{value}")
    assert json.loads(request.body) == {"deep": [value], "more": f"-{value}"}


def test_a_child_of_a_window_is_asked_for_without_bounds_when_the_day_has_ended(
    api: Orders, store: Store
) -> None:
    put_orders(store, 3)
    windowed = replace(ORDERS, day=Window("from", "to"))
    source = Source(
        api=EVENTS.api,
        name="events",
        path="/orders/{parent.order_id}/events",
        contract=EVENTS.contract,
        params={"until": "{window.end}"},
        parent=replace(PARENT, source=windowed),
    )
    assert land(api, store, source).rows == 3
    assert {tuple(r.query) for r in api.requests} == {("until", "page")}
    assert {r.query["until"] for r in api.requests} == {"2026-01-02"}
    now = datetime.now(UTC)
    with pytest.raises(InvalidInputError, match="has not ended"):
        extract(source, now.date(), Endpoint(api.url), store, SETTINGS)


def test_a_list_that_was_asked_for_late_is_marked(api: Orders, store: Store) -> None:
    put_orders(store, 1)
    windowed = replace(ORDERS, day=Window("from", "to"))
    parent = replace(PARENT, source=windowed)
    late = replace(EVENTS, day=windowed.day.__class__(), parent=parent)
    assert land(api, store, late).as_of is not None


def test_a_refused_day_does_not_hold_up_the_others(api: Orders, store: Store) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    for day, order in zip(days, (1, 4, 2), strict=True):
        content = io.BytesIO(b'[{"id": %d}]' % order)
        store.put(raw_key("orders", day), content, "")
    with pytest.raises(InvalidDataError, match=r"raw/orders/2026-01-02\.json: expected records"):
        extract_pending(EVENTS, days, Endpoint(api.url), store, SETTINGS)
    found = {info.key for info in store.list("raw/events/")}
    assert found == {raw_key("events", day) for day in (days[0], days[2])}
    lenient = replace(EVENTS, allows_empty=True)
    facts = extract_pending(lenient, days, Endpoint(api.url), store, SETTINGS)
    assert facts["day"] == "2026-01-03"
    assert [one["rows"] for one in facts["earlier_days"]] == [1, 0]


def test_more_parents_than_files_that_may_be_open(api: Orders, store: Store) -> None:
    put_orders(store, *range(14, 14 + 4 * ORDERS_COUNT))
    assert land(api, store).rows == sum(n % 4 for n in range(14, 14 + 4 * ORDERS_COUNT))
