"""The task of a child lands what is pending, whatever event has started it."""

import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dags.common import connections
from dags.ingest import ingest_dag
from local.switchable import running
from scripts.errors import UnavailableError
from scripts.landing.keys import raw_key, today
from scripts.landing.store import Store
from scripts.settings import Endpoint
from tests.orders import EVENTS, SETTINGS, Orders, shop

pytestmark = pytest.mark.integration

DAYS = [today() - timedelta(days=n) for n in (2, 1)]


@pytest.fixture
def api() -> Iterator[Orders]:
    with running(shop()) as server:
        yield server


@pytest.fixture(autouse=True)
def _connections(api: Orders, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "landing_store", lambda _conn_id: store)
    monkeypatch.setattr(connections, "api_endpoint", lambda _api: Endpoint(api.url))
    monkeypatch.setattr(connections, "run_settings", lambda: SETTINGS)


def run(day: date | None = None) -> tuple[Any, dict[str, Any]]:
    """Run the task. Return its result and what it adds to the event of its asset."""
    dag: Any = ingest_dag(EVENTS)
    [land] = dag.tasks
    events = {land.outlets[0]: SimpleNamespace(extra={})}
    facts = land.python_callable(
        params={"day": day and day.isoformat()},
        dag_run=SimpleNamespace(conf={}, run_type="asset_triggered", logical_date=None),
        dag=dag,
        outlet_events=events,
    )
    return facts, events[land.outlets[0]].extra


def put_orders(store: Store, day: date, *ids: int) -> None:
    content = json.dumps([{"id": n} for n in ids]).encode()
    store.put(raw_key("orders", day), io.BytesIO(content), "")


def test_every_pending_day_lands_and_then_nothing_is_left(store: Store, api: Orders) -> None:
    for day in DAYS:
        put_orders(store, day, 1, 2)
    facts, extra = run()
    assert facts == extra
    assert facts["day"] == DAYS[1].isoformat()
    assert [one["day"] for one in facts["earlier_days"]] == [DAYS[0].isoformat()]
    api.requests.clear()
    with pytest.raises(AirflowSkipException, match="every day"):
        run()
    assert not api.requests


def test_a_named_day_lands_again_also_if_nothing_is_pending(store: Store, api: Orders) -> None:
    put_orders(store, DAYS[0], 1)
    for is_new in (True, False):
        facts, _ = run(DAYS[0])
        assert (facts["day"], facts["is_new"]) == (DAYS[0].isoformat(), is_new)
    assert len(api.requests) == 2
    with pytest.raises(UnavailableError, match="ingest orders"):
        run(DAYS[1])
