"""After any kill, stop, race or lost connection, one more load gives the correct table."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from local.ministack import MiniStack
from local.postgres import PostgresServer
from local.processes import free_port
from scripts.errors import UnavailableError
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.load.superseded import clean_up
from scripts.migrate import migrate
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.fault.loaders import CommitCutter, loader
from tests.loading import (
    DAY,
    KEY,
    SETTINGS,
    array,
    bucket_of,
    database_of,
    empty,
    ledger,
    load_day,
    payloads,
    post,
    put,
    query,
)

pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]
OLD = [post(n) for n in range(5)]
NEW = [post(n, title="new") for n in range(3_000)]
PLACES = ["before_get", "in_copy", "after_copy", "locked", "before_commit", "after_commit"]


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_load_faults") as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def _bucket(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-load-faults")


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    return _database


@pytest.fixture
def store(_bucket: Store, warehouse: Warehouse) -> Store:
    """A bucket with an object that changed after it was loaded."""
    put(_bucket, array(OLD))
    load_day(_bucket, warehouse)
    put(_bucket, array(NEW))
    return _bucket


def assert_right(warehouse: Warehouse, records: list[Any] = NEW) -> None:
    """Check for exactly these rows, one current load, and no other rows after the cleanup."""
    assert payloads(warehouse) == records
    current = query(warehouse, "select load_id, loaded from ops.loads where is_current")
    assert [loaded for _, loaded in current] == [len(records)]
    clean_up(warehouse.loader, POSTS, SETTINGS, [])
    left = query(warehouse, "select load_id, count(*) from raw.posts_rows group by load_id")
    assert left == [tuple(row) for row in current]


@pytest.mark.parametrize("place", PLACES)
def test_a_loader_killed_anywhere_leaves_all_or_nothing(
    place: str, store: Store, warehouse: Warehouse
) -> None:
    with loader(store, warehouse.loader, PIPELINE_KILL_AT=f"load.{place}") as killed:
        assert killed.finish()[0] == -signal.SIGKILL
    is_done = place == "after_commit"
    assert payloads(warehouse) == (NEW if is_done else OLD)

    result = load_day(store, warehouse)

    assert result.outcome == ("unchanged" if is_done else "loaded")
    assert_right(warehouse)


@pytest.mark.parametrize("place", ["in_copy", "after_copy"])
def test_a_zombie_neither_blocks_nor_overwrites(
    place: str, store: Store, warehouse: Warehouse
) -> None:
    with loader(store, warehouse.loader, PIPELINE_STOP_AT=f"load.{place}") as zombie:
        zombie.wait_until_stopped()

        assert load_day(store, warehouse).outcome == "loaded"
        winner = ledger(warehouse)

        os.kill(zombie.process.pid, signal.SIGCONT)
        status, output = zombie.finish()
    assert status == 0, output
    assert "unchanged" in output
    assert ledger(warehouse) == winner
    assert_right(warehouse)


def test_a_zombie_that_holds_the_lock_is_put_out_by_the_server(
    store: Store, warehouse: Warehouse
) -> None:
    impatient = make_conninfo(
        warehouse.loader, options="-c idle_in_transaction_session_timeout=300ms"
    )
    with loader(store, impatient, PIPELINE_STOP_AT="load.locked") as zombie:
        zombie.wait_until_stopped()
        assert load_day(store, warehouse).outcome == "loaded"
        os.kill(zombie.process.pid, signal.SIGCONT)
        status, output = zombie.finish()
    assert status == 2
    assert output.startswith("error: warehouse: ")
    assert_right(warehouse)


@pytest.mark.parametrize("is_loaded_meanwhile", [False, True])
@pytest.mark.parametrize("place", ["before_get", "in_copy", "after_copy"])
def test_an_object_replaced_while_it_is_read_ends_as_the_newer(
    place: str, is_loaded_meanwhile: bool, store: Store, warehouse: Warehouse
) -> None:
    newest = [post(n, title="newest") for n in range(2_000)]
    with loader(store, warehouse.loader, PIPELINE_STOP_AT=f"load.{place}") as slow:
        slow.wait_until_stopped()
        put(store, array(newest))
        if is_loaded_meanwhile:
            assert load_day(store, warehouse).outcome == "loaded"
        os.kill(slow.process.pid, signal.SIGCONT)
        status, output = slow.finish()
    assert status == 0, output
    assert ("unchanged" if is_loaded_meanwhile else "loaded, 2000 of 2000") in output
    assert_right(warehouse, newest)


def test_a_zombie_that_read_a_broken_object_does_not_park_its_successor(
    store: Store, warehouse: Warehouse
) -> None:
    put(store, array(NEW)[:-3])
    with loader(store, warehouse.loader, PIPELINE_STOP_AT="load.in_copy") as zombie:
        zombie.wait_until_stopped()
        put(store, array(NEW))
        assert load_day(store, warehouse).outcome == "loaded"
        os.kill(zombie.process.pid, signal.SIGCONT)
        status, output = zombie.finish()
    assert status == 0, output
    assert "unchanged" in output
    assert ledger(warehouse) == [("loaded", False, 5), ("loaded", True, 3_000)]


def test_the_second_of_two_waits_for_the_lock_and_finds_the_work_done(
    store: Store, warehouse: Warehouse
) -> None:
    waiting = """
        select wait_event, position('insert into ops.day_locks' in query) > 0 from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()
    """
    with loader(store, warehouse.loader, PIPELINE_STOP_AT="load.before_commit") as first:
        first.wait_until_stopped()
        with loader(store, warehouse.loader) as second:
            while not (found := query(warehouse, waiting)):
                assert second.process.poll() is None
            os.kill(first.process.pid, signal.SIGCONT)
            ends = [first.finish(), second.finish()]
    assert found == [("transactionid", True)]
    assert [status for status, _ in ends] == [0, 0], ends
    assert "loaded, 3000" in ends[0][1]
    assert "unchanged" in ends[1][1]
    assert_right(warehouse)


@pytest.mark.parametrize("count", [2, 5])
def test_many_loaders_at_once_load_once(count: int, store: Store, warehouse: Warehouse) -> None:
    barrier = Barrier(count)

    def one(_: int) -> str:
        barrier.wait()
        return load(POSTS, DAY, store, warehouse.loader, SETTINGS).outcome

    for records in (NEW, OLD, NEW):
        put(store, array(records))
        with ThreadPoolExecutor(count) as pool:
            outcomes = sorted(pool.map(one, range(count)))
        assert outcomes == ["loaded"] + ["unchanged"] * (count - 1)
        assert payloads(warehouse) == records
    assert_right(warehouse)


def test_loaders_and_a_writer_at_once_end_at_the_last_object(
    store: Store, warehouse: Warehouse
) -> None:
    versions = [[post(n, title=f"v{v}") for n in range(200)] for v in range(12)]

    def write() -> None:
        for version in versions:
            put(store, array(version))

    def read(_: int) -> None:
        while not writer.done():
            with suppress_unavailable():
                load_day(store, warehouse)

    with ThreadPoolExecutor(5) as pool:
        writer = pool.submit(write)
        list(pool.map(read, range(4)))
        writer.result()
    load_day(store, warehouse)
    assert_right(warehouse, versions[-1])


@contextmanager
def suppress_unavailable() -> Iterator[None]:
    """Accept the error for an object that changes during every try: here it is expected."""
    try:
        yield
    except UnavailableError as error:
        if "changed in each" not in str(error):
            raise


@pytest.mark.parametrize("is_after", [False, True], ids=["before COMMIT", "after COMMIT"])
def test_a_connection_cut_at_commit_is_reported_and_loading_again_is_right(
    is_after: bool, store: Store, warehouse: Warehouse
) -> None:
    with CommitCutter(warehouse.loader, is_after=is_after) as proxy:
        with pytest.raises(UnavailableError):
            load(POSTS, DAY, store, proxy.proxied, SETTINGS)
        assert proxy.strikes == 1
        assert (b"COMMIT\0" in proxy.reply) == is_after
    assert payloads(warehouse) == (NEW if is_after else OLD)

    again = load_day(store, warehouse)

    assert again.outcome == ("unchanged" if is_after else "loaded")
    assert_right(warehouse)


def test_a_server_that_crashes_in_the_middle_of_copy_shows_nothing(store: Store) -> None:
    with own_server() as warehouse:
        put(store, array(OLD))
        load_day(store, warehouse)
        put(store, array(NEW))
        with loader(store, warehouse.loader, PIPELINE_STOP_AT="load.in_copy") as struck:
            struck.wait_until_stopped()
            copying = "select state from pg_stat_activity where query ilike 'copy %%posts_rows%%'"
            assert query(warehouse, copying) == [("active",)]
            warehouse.server.stop("immediate")
            os.kill(struck.process.pid, signal.SIGCONT)
            status, output = struck.finish()
        assert status == 2, output
        assert output.startswith("error: warehouse: ")
        assert output.count("\n") == 1
        warehouse.server.start()
        assert payloads(warehouse) == OLD
        assert load_day(store, warehouse).outcome == "loaded"
        assert_right(warehouse)


@contextmanager
def own_server() -> Iterator[Warehouse]:
    """A server that a test may crash. It uses fsync, so that committed data survives."""
    with TemporaryDirectory(prefix="elt-crash-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "data", free_port(), "test-pw")
        server.create()
        server.start()
        try:
            with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
                connection.execute("create role owner login createrole password 'owner-pw'")
                connection.execute("create database warehouse owner owner")
            migrate(server.dsn("warehouse", "owner", "owner-pw"), {"loader": "loader-pw"})
            yield Warehouse(server, "warehouse")
        finally:
            server.stop("immediate")


def test_a_server_that_goes_away_leaves_no_secret_in_the_message(store: Store) -> None:
    dsn = f"postgresql://loader:hush@127.0.0.1:{free_port()}/warehouse"
    with pytest.raises(UnavailableError) as raised:
        load(POSTS, DAY, store, dsn, SETTINGS)
    assert "hush" not in str(raised.value)
    assert store.head(KEY) is not None
