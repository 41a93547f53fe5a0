"""Which days of a child are pending follows from the two listings and the metadata alone."""

import io
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from local.switchable import running
from scripts.erase.from_landing import remove_records
from scripts.erase.wanted import Wanted
from scripts.extract.extract import extract, extract_pending
from scripts.landing.keys import raw_key, today
from scripts.landing.store import ObjectHead, Store
from scripts.reconcile import pending_children as module
from scripts.reconcile.pending_children import pending_children
from scripts.settings import Endpoint
from tests.orders import EVENTS, ORDERS, PARENT, SETTINGS, Orders, shop

pytestmark = pytest.mark.integration

DAYS = [today() - timedelta(days=n) for n in (3, 2, 1)]


@pytest.fixture
def api() -> Iterator[Orders]:
    with running(shop()) as server:
        yield server


def put_orders(store: Store, day: date, *ids: int) -> None:
    content = b"[%b]" % b",".join(b'{"id": %d}' % n for n in ids)
    store.put(raw_key("orders", day), io.BytesIO(content), "")


def pending(store: Store, **changes: Any) -> list[date]:
    settings = SETTINGS.model_copy(update=changes)
    return pending_children(EVENTS, PARENT, store, settings)


def land(api: Orders, store: Store, *days: date) -> dict[str, Any]:
    return extract_pending(EVENTS, list(days), Endpoint(api.url), store, SETTINGS)


def test_days_of_landed_parents_are_pending_until_their_children_land(
    api: Orders, store: Store
) -> None:
    assert pending(store) == []
    for day in reversed(DAYS):
        put_orders(store, day, 1, 2)
    store.put("raw/orders/unknown.json", io.BytesIO(b"[]"), "")
    assert pending(store) == DAYS
    assert pending(store, batch_objects=2) == DAYS[:2]
    assert pending(store, lookback_days=2) == DAYS[1:]
    land(api, store, DAYS[1])
    assert pending(store) == [DAYS[0], DAYS[2]]


def test_other_parents_make_a_day_pending_once_even_if_their_children_are_the_same(
    api: Orders, store: Store
) -> None:
    put_orders(store, DAYS[0], 1)
    land(api, store, DAYS[0])
    assert pending(store) == []
    put_orders(store, DAYS[0], 1, 4)  # which has no events
    assert pending(store) == [DAYS[0]]
    assert land(api, store, DAYS[0])["is_new"] is False
    assert pending(store) == []


def test_an_event_of_the_same_parents_asks_for_nothing(api: Orders, store: Store) -> None:
    day = DAYS[0]
    for _ in range(2):
        extract(ORDERS, day, Endpoint(api.url), store, SETTINGS)
        for found in pending(store):
            land(api, store, found)
    events = [request for request in api.requests if request.path != "/orders"]
    api.requests.clear()
    assert pending(store) == []
    assert len({(one.path, one.query["page"]) for one in events}) == len(events)


def test_an_erasure_from_the_parents_asks_for_nothing(api: Orders, store: Store) -> None:
    put_orders(store, DAYS[0], 1, 2)
    land(api, store, DAYS[0])
    time.sleep(1)  # S3 notes whole seconds
    for erased in ("1", "2"):
        for source, wanted in ((EVENTS, (erased, "0")), (ORDERS, (erased,))):
            key = raw_key(source.name, DAYS[0])
            remove_records(store, key, Wanted.of_key(source, *wanted), 1000)
        assert pending(store) == []
    put_orders(store, DAYS[0], 3)
    assert pending(store) == [DAYS[0]]


def test_metadata_is_read_only_where_the_listing_does_not_tell(
    api: Orders, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_orders(store, DAYS[0], 1)
    land(api, store, DAYS[0])
    monkeypatch.setattr(module, "_MARGIN", timedelta(seconds=-60))
    asked = []

    def head(_: Store, key: str) -> ObjectHead | None:
        asked.append(key)
        return None

    monkeypatch.setattr(Store, "head", head)
    assert pending(store) == []
    assert asked == []
