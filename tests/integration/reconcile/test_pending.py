"""The pending work, computed from a real bucket and a real ledger."""

import io
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scripts.errors import InvalidInputError
from scripts.landing.keys import raw_key, today
from scripts.landing.store import Store
from scripts.reconcile.pending import Work, last_published, plan_work
from scripts.settings import RunSettings
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_TODAY = today()
_YESTERDAY = _TODAY - timedelta(days=1)


def _land(store: Store, day: date, content: bytes = b"[]") -> None:
    store.put(raw_key("posts", day), io.BytesIO(content), "ab" * 32)


def _record(warehouse: Warehouse, store: Store, day: date, **row: Any) -> None:
    """Write the ledger row for the object that is now in the bucket."""
    found = store.head(raw_key("posts", day))
    assert found
    listed = found.info
    columns = {
        "source": "posts",
        "day": day,
        "key": listed.key,
        "etag": listed.etag,
        "last_modified": listed.last_modified,
        "bytes": listed.size,
        "state": "loaded",
        "received": 0,
        "loaded": 0,
        "rejected": 0,
        "seconds": 0,
        "is_current": True,
        **row,
    }
    statement = sql.SQL(
        "insert into ops.loads (load_id, {}) values (nextval('ops.load_id'), {})"
    ).format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute(statement, columns)


def _plan(warehouse: Warehouse, store: Store, **settings: Any) -> Work:
    return plan_work(store, warehouse.loader, RunSettings(**settings))


def test_what_landed_is_pending_oldest_first_and_in_bounded_batches(
    warehouse: Warehouse, store: Store
) -> None:
    for day in (_TODAY, _YESTERDAY):
        _land(store, day)

    assert _plan(warehouse, store).objects == [("posts", _YESTERDAY), ("posts", _TODAY)]
    assert _plan(warehouse, store, batch_objects=1).objects == [("posts", _YESTERDAY)]


def test_an_empty_bucket_and_an_empty_ledger_are_no_work(
    warehouse: Warehouse, store: Store
) -> None:
    assert not _plan(warehouse, store)


def test_a_load_is_work_until_it_is_published(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY)
    assert _plan(warehouse, store) == Work([], unpublished=1)

    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("update ops.loads set published_at = now()")
    assert not _plan(warehouse, store)


def test_a_changed_object_is_pending_again(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, published_at="now")
    _land(store, _TODAY, b"[ ]")
    assert _plan(warehouse, store).objects == [("posts", _TODAY)]


@pytest.mark.parametrize(
    "before", [{}, {"state": "parked", "reason": "truncated"}], ids=["loaded", "parked"]
)
def test_an_object_that_goes_back_to_what_it_was_is_pending(
    warehouse: Warehouse, store: Store, before: dict[str, str]
) -> None:
    """A lands, then B, then B's version is deleted. The listing shows exactly A again."""
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, is_current=False, **before)
    second = store.put(raw_key("posts", _TODAY), io.BytesIO(b"[ ]"), "ab" * 32)
    _record(warehouse, store, _TODAY, published_at="now")
    assert second
    assert not _plan(warehouse, store)

    store.client.delete_object(Bucket=store.bucket, Key=raw_key("posts", _TODAY), VersionId=second)
    assert _plan(warehouse, store).objects == [("posts", _TODAY)]


def test_a_parked_object_waits_until_it_changes(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, state="parked", reason="truncated", is_current=False)
    assert not _plan(warehouse, store)

    _land(store, _TODAY, b"[ ]")
    assert _plan(warehouse, store).objects == [("posts", _TODAY)]


def test_unknown_objects_and_days_before_the_lookback_are_no_work(
    warehouse: Warehouse, store: Store
) -> None:
    for key in ("raw/posts/readme.txt", "raw/posts/2026-02-30.json", "raw/other/2026-01-01.json"):
        store.put(key, io.BytesIO(b"[]"), "ab" * 32)
    _land(store, _TODAY - timedelta(days=30))
    assert not _plan(warehouse, store, lookback_days=29)
    assert plan_work(store, warehouse.loader, RunSettings(lookback_days=1), is_full_sweep=True)
    assert _plan(warehouse, store, lookback_days=30).objects


def test_named_days_are_work_even_where_nothing_changed(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, published_at="now")

    work = plan_work(store, warehouse.loader, RunSettings(), [_TODAY.isoformat()])

    assert work == Work([("posts", _TODAY)], is_reload=True)
    assert Work.of_facts(work.facts()) == work


def test_a_named_day_that_never_landed_is_refused_by_name(
    warehouse: Warehouse, store: Store
) -> None:
    with pytest.raises(InvalidInputError, match="nothing has landed for 2020-02-29"):
        plan_work(store, warehouse.loader, RunSettings(), ["2020-02-29"])


def test_the_latest_publication_is_reported_in_days_rows_and_rejects(
    warehouse: Warehouse, store: Store
) -> None:
    _land(store, _TODAY)
    facts = {"received": 3, "loaded": 2, "rejected": 1}
    _record(warehouse, store, _TODAY, published_at="now", **facts)

    last = last_published(warehouse.loader)

    assert (last["days"], last["rows"], last["rejects"]) == ([_TODAY.isoformat()], 2, 1)
