"""A large amount of space of deleted rows is returned without an effect on readers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Event
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts import compact_rows as module
from scripts.compact_rows import hold_rows
from scripts.erase.from_landing import RecordKey
from scripts.erase.from_warehouse import delete_day, delete_record
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.load.superseded import clean_up
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import DAY, SETTINGS, array, bucket_of, database_of, empty, post, put, query

pytestmark = pytest.mark.integration
ROWS = 20_000
OTHER = DAY - timedelta(days=1)
# The count that a reader sees by day, and the physical place of every row.
_COUNT = "select day, count(*), count(distinct position) from raw.posts group by day order by day"
_PLACES = "select load_id, position, ctid::text from raw.posts_rows order by 1, 2"


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_compact_rows") as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    return _database


@pytest.fixture(scope="module")
def store(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-compact-rows")


def load_rows(store: Store, warehouse: Warehouse, rows: int, day: date = DAY) -> None:
    put(store, array(post(n, body="b" * 170) for n in range(rows)), key=raw_key("posts", day))
    reload(store, warehouse, day)


def reload(store: Store, warehouse: Warehouse, day: date = DAY) -> None:
    assert load(POSTS, day, store, warehouse.loader, SETTINGS, again=True).outcome == "loaded"


def size(warehouse: Warehouse) -> int:
    with psycopg.connect(warehouse.loader, autocommit=True) as connection:
        connection.execute("vacuum raw.posts_rows")
    return int(query(warehouse, "select pg_total_relation_size('raw.posts_rows')")[0][0])


def places(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return query(warehouse, _PLACES)


def test_a_table_of_one_day_stays_small_over_reruns(store: Store, warehouse: Warehouse) -> None:
    load_rows(store, warehouse, ROWS)
    first = size(warehouse)
    digest = "select count(*), md5(string_agg(position::text || payload, '' order by position))"
    held = query(warehouse, f"{digest} from raw.posts_rows")
    for _ in range(5):
        reload(store, warehouse)
        assert clean_up(warehouse.loader, POSTS, SETTINGS) == ROWS
        assert query(warehouse, f"{digest} from raw.posts_rows") == held
        assert size(warehouse) <= 1.1 * first


def test_one_day_of_several_moves_nothing(store: Store, warehouse: Warehouse) -> None:
    for n in range(5):
        load_rows(store, warehouse, 1000, DAY - timedelta(days=n))
    reload(store, warehouse)
    before = places(warehouse)
    assert clean_up(warehouse.loader, POSTS, SETTINGS) == 1000
    left = places(warehouse)
    assert len(left) == 5000
    assert set(left) < set(before)


def test_readers_never_wait_and_count_right_while_rows_move(
    store: Store, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_rows(store, warehouse, 300, OTHER)
    load_rows(store, warehouse, ROWS)
    expected = [(OTHER, 300, 300), (DAY, ROWS, ROWS)]
    is_over, moved, real = Event(), [], module._move

    def connect() -> psycopg.Connection:
        # The server ends a lock wait after 100 ms, even when this machine is busy.
        return psycopg.connect(warehouse.transformer, options="-c lock_timeout=100ms")

    def move_under_an_open_snapshot(*arguments: Any) -> bool:
        with connect() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            assert connection.execute(_COUNT).fetchall() == expected
            moved.append(real(*arguments))
            assert connection.execute(_COUNT).fetchall() == expected
        return moved[-1]

    def read(isolation: IsolationLevel) -> int:
        reads = 0
        with connect() as connection:
            connection.isolation_level = isolation
            while not is_over.is_set():
                with connection.transaction():
                    for _ in range(2):
                        assert connection.execute(_COUNT).fetchall() == expected
                reads += 1
                is_over.wait(0.02)  # without it, vacuum rarely finds the table unread
        return reads

    monkeypatch.setattr(module, "_move", move_under_an_open_snapshot)
    levels = (IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ)
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read, level) for level in levels]
        try:
            for _ in range(3):
                reload(store, warehouse)
                clean_up(warehouse.loader, POSTS, SETTINGS)
        finally:
            is_over.set()
        assert all(reader.result() > 3 for reader in readers)
    assert any(moved)


def test_rows_that_an_old_snapshot_still_sees_are_left_for_later(
    store: Store, warehouse: Warehouse
) -> None:
    load_rows(store, warehouse, 2000)
    reload(store, warehouse)
    before = places(warehouse)
    with psycopg.connect(warehouse.transformer) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        seen = connection.execute(_COUNT).fetchall()
        assert clean_up(warehouse.loader, POSTS, SETTINGS) == 2000
        assert connection.execute(_COUNT).fetchall() == seen == [(DAY, 2000, 2000)]
    assert len(set(places(warehouse)) - set(before)) == 100


def test_no_row_moves_under_a_statement_that_must_meet_all(
    store: Store, warehouse: Warehouse
) -> None:
    load_rows(store, warehouse, 2000)
    reload(store, warehouse)
    before = places(warehouse)
    with psycopg.connect(warehouse.loader) as holder:
        hold_rows(holder, POSTS)
        assert clean_up(warehouse.loader, POSTS, SETTINGS) == 2000
        assert set(places(warehouse)) < set(before)
        with psycopg.connect(warehouse.loader, options="-c lock_timeout=50ms") as connection:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                delete_record(connection, RecordKey(POSTS, ("1",)))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                delete_day(connection, POSTS, DAY)


def test_what_an_ended_rebuild_left_behind_is_dropped(store: Store, warehouse: Warehouse) -> None:
    load_rows(store, warehouse, 2000)
    reload(store, warehouse)
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("create index posts_rows_pkey_ccnew on raw.posts_rows (load_id)")
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute(
            "update pg_index set indisvalid = false "
            "where indexrelid = 'raw.posts_rows_pkey_ccnew'::regclass"
        )
    clean_up(warehouse.loader, POSTS, SETTINGS)
    indexes = "select indexrelid::regclass::text from pg_index where indrelid = %s::regclass"
    assert query(warehouse, indexes, "raw.posts_rows") == [("raw.posts_rows_pkey",)]
