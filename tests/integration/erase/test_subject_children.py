"""The events of an order load below its key, and leave with the order when it is erased."""

import json
from collections.abc import Iterator

import pytest

from local.switchable import running
from scripts.erase.erase import erase_records
from scripts.erase.subject import find_subject
from scripts.extract.extract import extract
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.migrate import migrate
from scripts.settings import Endpoint
from tests.conftest import Warehouse
from tests.loading import payloads, query
from tests.orders import DAY, EVENTS, ORDERS, SETTINGS, Orders, events_of, expected, shop

pytestmark = pytest.mark.integration


@pytest.fixture
def _declared(monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse) -> None:
    """The warehouse and the scripts know just these two sources."""
    declared = {source.name: source for source in (ORDERS, EVENTS)}
    modules = ("migrate", "load.load", "load.raw_tables", "reconcile.pending", "erase.subject")
    for module in modules:
        monkeypatch.setattr(f"scripts.{module}.SOURCES", declared)
    migrate(warehouse.server.dsn(warehouse.name, "owner", "owner-pw"), {})


@pytest.fixture
def api() -> Iterator[Orders]:
    with running(shop()) as server:
        yield server


@pytest.mark.usefixtures("_declared")
def test_children_load_with_the_key_of_their_parent_and_are_erased_with_it(
    api: Orders, store: Store, warehouse: Warehouse
) -> None:
    for source in (ORDERS, EVENTS):
        extract(source, DAY, Endpoint(api.url), store, SETTINGS)
        result = load(source, DAY, store, warehouse.loader, SETTINGS)
        assert (result.outcome, result.rejected) == ("loaded", 0)
    assert payloads(warehouse, "events") == expected()
    rows = query(warehouse, "select parent_order_id, id from raw.events order by position")
    assert rows[:2] == [(1, 0), (2, 0)]

    subject = find_subject(ORDERS, "3", store, warehouse.loader, 1000, lambda _text: None)
    assert [wanted.source.name for wanted in subject] == ["events", "orders"]
    counts = [
        erase_records(wanted, store, warehouse.loader, SETTINGS, lambda _text: None)[0]
        for wanted in subject
    ]
    assert [(one["records"], one["rows"]) for one in counts] == [(len(events_of(3)), 3), (1, 1)]
    left = [record for record in expected() if record["_parent"]["order_id"] != 3]
    opened = store.open(raw_key("events", DAY))
    assert opened is not None
    assert json.loads(b"".join(opened.blocks())) == left
    assert payloads(warehouse, "events") == left
