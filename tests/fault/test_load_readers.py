"""Readers of the raw tables never wait and never see a wrong count while days are reloaded."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest
from psycopg import IsolationLevel

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.load.superseded import clean_up
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import DAY, SETTINGS, array, bucket_of, database_of, empty, post, put

pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]
OTHER = DAY.replace(day=1)
ROWS, RELOADS = 300, 50
# The day's count, its distinct positions and its versions must agree in one query.
_COUNT = """
    select day, count(*), count(distinct position), array_agg(distinct title)
    from raw.posts group by day order by day
"""


@pytest.fixture(scope="module")
def warehouse(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_load_readers") as warehouse:
        empty(warehouse)
        yield warehouse


def put_version(store: Store, version: int) -> None:
    put(store, array(post(n, title=str(version)) for n in range(ROWS)))


@pytest.mark.parametrize(
    ("isolation", "reads"),
    [(IsolationLevel.READ_COMMITTED, 1), (IsolationLevel.REPEATABLE_READ, 3)],
    ids=["read committed", "repeatable read"],
)
def test_a_reader_never_waits_and_never_sees_a_wrong_count(
    isolation: IsolationLevel, reads: int, ministack: MiniStack, warehouse: Warehouse
) -> None:
    store = bucket_of(ministack, f"test-load-readers-{reads}")
    put(store, array(post(n, title="other") for n in range(ROWS)), key=raw_key("posts", OTHER))
    load(POSTS, OTHER, store, warehouse.loader, SETTINGS)
    put_version(store, -1)
    load(POSTS, DAY, store, warehouse.loader, SETTINGS)
    is_over = Event()

    def read() -> Counter[str]:
        seen: Counter[str] = Counter()
        # The server ends a lock wait after 100 ms, even when this machine is busy.
        options = "-c lock_timeout=100ms"
        with psycopg.connect(warehouse.transformer, options=options) as connection:
            connection.isolation_level = isolation
            while not is_over.is_set():
                with connection.transaction():
                    found = [connection.execute(_COUNT).fetchall() for _ in range(reads)]
                assert all(rows == found[0] for rows in found)
                (_, *other), (_, count, positions, (version,)) = found[0]
                assert other == [ROWS, ROWS, ["other"]]
                assert (count, positions) == (ROWS, ROWS)
                seen[version] += 1
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for version in range(RELOADS):
                put_version(store, version)
                assert load(POSTS, DAY, store, warehouse.loader, SETTINGS).outcome == "loaded"
                if version % 10 == 0:
                    clean_up(warehouse.loader, POSTS, SETTINGS, [])
        finally:
            is_over.set()
        seen = [reader.result() for reader in readers]
    assert all(len(versions) > RELOADS / 4 for versions in seen), seen
