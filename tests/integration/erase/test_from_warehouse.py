"""Deleting from the warehouse: exactly the record or the day, and the ledger's counts stay true."""

import psycopg
import pytest

from scripts.erase.from_warehouse import delete_day, delete_records, marked_days
from scripts.erase.wanted import Wanted
from scripts.errors import BrokenInvariantError
from scripts.landing.store import Store
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import DAY, array, ledger, load_day, payloads, post, put, rejects

pytestmark = pytest.mark.integration

_COUNTS = "received, loaded, rejected, sha256 = 'erased'"
_RECORDS = [post(1), post(7), post(8), post(7, title=5), post(9, title=5)]


@pytest.fixture(autouse=True)
def _loaded(warehouse: Warehouse, store: Store) -> None:
    """Load a record twice, once valid and once rejected, among others."""
    put(store, array(_RECORDS))
    load_day(store, warehouse)
    assert ledger(warehouse, _COUNTS) == [(5, 3, 2, False)]


def test_a_record_is_deleted_from_rows_and_rejects_and_its_load_is_marked(
    warehouse: Warehouse,
) -> None:
    wanted = Wanted.of_key(POSTS, "7")
    with psycopg.connect(warehouse.loader) as connection:
        assert marked_days(connection, POSTS) == []
        assert delete_records(connection, wanted) == (1, 1)
        assert delete_records(connection, wanted) == (0, 0)
        assert marked_days(connection, POSTS) == [(DAY, 3)]
    assert [row["id"] for row in payloads(warehouse)] == [1, 8]
    assert [position for position, *_ in rejects(warehouse)] == [4]
    assert ledger(warehouse, _COUNTS) == [(3, 2, 1, True)]


def test_names_of_unknown_fields_are_forgotten_with_the_record(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, array([post(1), post(7, jane_doe=1)]))
    load_day(store, warehouse)
    assert ledger(warehouse, "new_fields") == [([],), (["jane_doe"],)]
    with psycopg.connect(warehouse.loader) as connection:
        delete_records(connection, Wanted.of_key(POSTS, "7"))
    assert ledger(warehouse, "new_fields") == [([],), ([],)]


def test_a_reject_whose_record_has_expired_is_deleted_by_its_key(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("update ops.rejects set record = ''")
        assert delete_records(connection, Wanted.of_key(POSTS, "7")) == (1, 1)
    assert [position for position, *_ in rejects(warehouse)] == [4]


def test_nothing_is_erased_from_a_load_that_the_ledger_miscounts(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("delete from raw.posts_rows where position = 0")
    with (
        pytest.raises(BrokenInvariantError, match="load 1 has 1 rows, but its ledger row says 2"),
        psycopg.connect(warehouse.loader) as connection,
    ):
        delete_records(connection, Wanted.of_key(POSTS, "7"))
    assert [row["id"] for row in payloads(warehouse)] == [7, 8]
    assert ledger(warehouse, _COUNTS) == [(5, 3, 2, False)]


def test_an_unknown_record_changes_nothing(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        assert delete_records(connection, Wanted.of_key(POSTS, "77")) == (0, 0)
    assert ledger(warehouse, _COUNTS) == [(5, 3, 2, False)]


def test_a_day_is_deleted_with_its_loads_rows_and_rejects(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        assert delete_day(connection, POSTS, DAY) == (3, 2)
        assert delete_day(connection, POSTS, DAY) == (0, 0)
    assert payloads(warehouse) == []
    assert rejects(warehouse) == []
    assert ledger(warehouse) == []
