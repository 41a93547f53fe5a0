"""The ledger: at most one current load per day, and every outcome remembered."""

from datetime import UTC, date, datetime

import psycopg
import pytest

from scripts.landing.store import ObjectInfo
from scripts.warehouse import ledger
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_DAY = date(2026, 1, 31)
_INFO = ObjectInfo("raw/posts/2026-01-31.json", '"etag"', 10, datetime(2026, 1, 31, tzinfo=UTC))


def _entry(load_id: int, sha256: str = "ab") -> ledger.LedgerEntry:
    return ledger.LedgerEntry(
        load_id=load_id,
        source="posts",
        day=_DAY,
        info=_INFO,
        day_kind="snapshot",
        version_id="v1",
        sha256=sha256,
        received=3,
        loaded=2,
        rejected=1,
        new_fields=["colour"],
        seconds=0.5,
        run_id="run",
    )


def test_a_new_load_takes_the_place_of_the_current_one(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        assert ledger.current_load(connection, "posts", _DAY) is None
        first, second = ledger.next_load_id(connection), ledger.next_load_id(connection)
        assert second > first
        ledger.make_current(connection, _entry(first), None)
        current = ledger.current_load(connection, "posts", _DAY)
        assert current is not None
        assert (current.load_id, current.received, current.loaded) == (first, 3, 2)
        ledger.make_current(connection, _entry(second, "cd"), current)
        replaced = ledger.current_load(connection, "posts", _DAY)
        assert replaced is not None
        assert (replaced.load_id, replaced.sha256) == (second, "cd")
        rows = connection.execute("select load_id, is_current from ops.loads order by 1")
        assert rows.fetchall() == [(first, False), (second, True)]


def test_two_current_loads_of_a_day_are_impossible(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        ledger.make_current(connection, _entry(1), None)
        with pytest.raises(psycopg.errors.UniqueViolation):
            ledger.make_current(connection, _entry(2), None)


def test_a_parked_object_is_found_again_for_the_same_reason_only(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        ledger.park(connection, _entry(1), "not an array")
        assert ledger.find_parked(connection, _entry(2), "not an array") == 1
        assert ledger.find_parked(connection, _entry(2), "too many rejects") is None
        ledger.make_current(connection, _entry(3), None)
        assert ledger.find_parked(connection, _entry(2), "not an array") is None


def test_a_new_listing_of_the_same_content_is_noted(warehouse: Warehouse) -> None:
    later = ObjectInfo(_INFO.key, '"other"', 11, datetime(2026, 2, 1, tzinfo=UTC))
    with psycopg.connect(warehouse.loader) as connection:
        ledger.make_current(connection, _entry(1), None)
        ledger.refresh_listing(connection, 1, later, "v2")
        row = connection.execute("select etag, bytes, last_modified, version_id from ops.loads")
        assert row.fetchone() == ('"other"', 11, later.last_modified, "v2")


def test_the_last_publication_is_the_latest_of_all_loads(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        assert ledger.last_published_at(connection) is None
        ledger.make_current(connection, _entry(1), None)
        moment = datetime(2026, 2, 1, 3, tzinfo=UTC)
        connection.execute("update ops.loads set published_at = %s", [moment])
        assert ledger.last_published_at(connection) == moment
