"""Late and stuck data, computed from a real bucket and a real ledger."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.reconcile.unknown_objects import claim_unreported, log_unknown
from scripts.reconcile.watch import PipelineState, watch
from scripts.settings import RunSettings
from scripts.warehouse.ledger import withdraw
from tests.conftest import Warehouse
from tests.integration.reconcile.test_pending import _TODAY, _YESTERDAY, _land, _record

pytestmark = pytest.mark.integration

_NOON = datetime.combine(_TODAY, datetime.min.time(), UTC) + timedelta(hours=12)


def _watch(warehouse: Warehouse, store: Store) -> PipelineState:
    return watch(store, warehouse.loader, RunSettings(), _NOON)


def test_an_empty_pipeline_is_quiet(warehouse: Warehouse, store: Store) -> None:
    seen = _watch(warehouse, store)
    assert not seen.is_work_pending
    assert (seen.late, seen.parked, seen.unknown, seen.marts_age_seconds) == ([], {}, [], None)


def test_what_landed_and_what_is_unpublished_is_pending(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    assert _watch(warehouse, store).waiting == [f"posts/{_TODAY}"]

    _record(warehouse, store, _TODAY)
    seen = _watch(warehouse, store)
    assert (seen.waiting, seen.unpublished, seen.is_work_pending) == ([], 1, True)

    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("update ops.loads set published_at = %s", [_NOON - timedelta(hours=1)])
    seen = _watch(warehouse, store)
    assert (seen.is_work_pending, seen.marts_age_seconds) == (False, 3600)


@pytest.mark.parametrize("column", ["loaded_at", "last_modified"])
def test_a_day_that_should_be_there_is_late(
    warehouse: Warehouse, store: Store, column: str
) -> None:
    """Its source landed before: the load was then or, after a rebuild, the put."""
    _land(store, _YESTERDAY)
    _record(warehouse, store, _YESTERDAY, **{column: _NOON - timedelta(days=1)})
    assert _watch(warehouse, store).late == [f"posts/{_TODAY}"]


def test_a_first_run_for_an_older_day_makes_no_day_in_between_late(
    warehouse: Warehouse, store: Store
) -> None:
    """The README's example fetches a day of months ago on the day of the installation."""
    older = _TODAY - timedelta(days=5)
    _land(store, older)
    _record(warehouse, store, older)
    assert _watch(warehouse, store).late == []


def test_a_parked_object_is_reported_until_it_changes(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, state="parked", reason="truncated", is_current=False)
    seen = _watch(warehouse, store)
    assert seen.parked == {f"posts/{_TODAY}": "truncated"}
    assert not seen.is_work_pending

    _land(store, _TODAY, b"[ ]")
    _record(warehouse, store, _TODAY)
    assert _watch(warehouse, store).parked == {}


def test_a_deleted_object_is_reported_and_its_day_is_not_called_late(
    warehouse: Warehouse, store: Store
) -> None:
    for day in (_YESTERDAY, _TODAY):
        _land(store, day)
        _record(warehouse, store, day, published_at="now")
    assert _watch(warehouse, store).deleted == []

    store.delete(raw_key("posts", _TODAY))
    seen = _watch(warehouse, store)
    assert (seen.deleted, seen.late, seen.waiting) == ([f"posts/{_TODAY}"], [], [])

    with psycopg.connect(warehouse.loader) as connection:
        assert withdraw(connection, "posts", _TODAY)
    seen = _watch(warehouse, store)
    assert (seen.deleted, seen.late) == ([], []), "it was withdrawn, which is no lateness"


def test_a_source_that_is_not_declared_any_more_has_lost_no_object(
    warehouse: Warehouse, store: Store
) -> None:
    """Nobody lists its folder, so nobody knows."""
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, published_at="now")
    with psycopg.connect(warehouse.loader) as connection:
        key = raw_key("removed", _TODAY)
        connection.execute("update ops.loads set source = 'removed', key = %s", [key])
    seen = _watch(warehouse, store)
    assert (seen.deleted, seen.waiting) == ([], [f"posts/{_TODAY}"])


def test_a_parked_object_that_was_deleted_is_forgotten_when_it_is_withdrawn(
    warehouse: Warehouse, store: Store
) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, state="parked", reason="truncated", is_current=False)
    store.delete(raw_key("posts", _TODAY))
    assert _watch(warehouse, store).deleted == [f"posts/{_TODAY}"]
    with psycopg.connect(warehouse.loader) as connection:
        assert withdraw(connection, "posts", _TODAY)
        assert not withdraw(connection, "posts", _TODAY)
    seen = _watch(warehouse, store)
    assert (seen.deleted, seen.parked) == ([], {})


def test_an_unknown_object_is_reported_and_left_alone(warehouse: Warehouse, store: Store) -> None:
    _land(store, _TODAY)
    _record(warehouse, store, _TODAY, published_at="now")
    for key in ("raw/posts/notes.txt", "raw/post/2026-01-01.json", "raw/readme"):
        store.client.put_object(Bucket=store.bucket, Key=key, Body=b"hello")
    seen = _watch(warehouse, store)
    assert seen.unknown == ["raw/posts/notes.txt", "raw/post/", "raw/readme"]
    assert not seen.is_work_pending


def test_no_name_of_an_object_stops_the_watch(warehouse: Warehouse, store: Store) -> None:
    names = [
        "a\x00b.json",
        "a\x01b.json",
        "a\nb.json",
        "\u202ea.json",
        "'; drop table x; --.json",
        "\ud7ff.json",
    ]
    for name in names:
        store.client.put_object(Bucket=store.bucket, Key=f"raw/posts/{name}", Body=b"[]")
    seen = _watch(warehouse, store)
    assert len(seen.unknown) == len(names)
    assert all(name.isprintable() for name in seen.unknown)
    assert claim_unreported(warehouse.loader, seen.unknown) == sorted(seen.unknown)


def test_a_name_that_no_column_takes_is_only_logged(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    log_unknown(warehouse.loader, ["raw/posts/a\x00b.json"])
    assert "cannot record unknown objects" in caplog.text


def test_long_lists_are_cut_and_counted() -> None:
    keys = [f"raw/posts/{n}.txt" for n in range(100_000)]
    state = PipelineState(unknown=keys, waiting=keys, parked=dict.fromkeys(keys, "no list"))
    facts = state.facts()
    assert len(json.dumps(facts)) < 20_000
    assert (facts["unknown_count"], facts["waiting_count"], facts["parked_count"]) == (100_000,) * 3
    assert facts["waiting"] == keys[:100]


def test_an_unknown_object_is_reported_once(warehouse: Warehouse) -> None:
    assert claim_unreported(warehouse.loader, []) == []
    assert claim_unreported(warehouse.loader, ["raw/b", "raw/a"]) == ["raw/a", "raw/b"]
    assert claim_unreported(warehouse.loader, ["raw/b", "raw/c"]) == ["raw/c"]
