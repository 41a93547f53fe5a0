"""Deleting from Delta tables: exactly the record or the day, from every file, through kills."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from scripts.erase.from_warehouse import delete_records
from scripts.erase.wanted import Wanted
from scripts.errors import BrokenInvariantError
from scripts.landing.keys import FIRST_DAY, raw_key
from scripts.landing.store import Store
from scripts.load.arrow_rows import ArrowRows
from scripts.load.load import load
from scripts.reconcile.pending import survey_landing
from scripts.warehouse.lakehouse import library
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.fault.loaders import loader
from tests.lakehouse.bucket import assert_forgotten, use_bucket
from tests.lakehouse.tables import current_rows, ensure, table
from tests.lakehouse.traces import files_with
from tests.loading import DAY, SETTINGS, array, environment, post, put, query
from tests.stack import wait_for
from tests.warehouses import traces

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(120)]

MARK = "erase-this-one"
BEFORE, NEXT, LATER = (DAY + timedelta(days=n) for n in (-900, 1, 2))
SEVEN = Wanted.of_key(POSTS, "7")
_CHILD = """
import os, boto3
from scripts.erase.erase import erase_day, erase_records
from scripts.erase.wanted import Wanted
from scripts.landing.store import Store
from scripts.settings import run_settings_from_env
from sources.jsonplaceholder import POSTS
from tests.loading import DAY

dsn = os.environ["WAREHOUSE_DSN"]
store = Store.of_session(boto3.Session(), os.environ["LANDING_BUCKET"])
if os.environ["ERASE"] == "day":
    erase_day(POSTS, DAY, store, dsn)
else:
    wanted = Wanted.of_key(POSTS, os.environ["ERASE"])
    erase_records(wanted, store, dsn, run_settings_from_env(), lambda _text: None)
"""


@pytest.fixture
def landed(store: Store, warehouse: Warehouse, lakehouse: str) -> Store:
    """The record in current, replaced, parked and emptied loads, and in rejects."""
    store.delete_versions([v for v in store.versions("") if not v.is_marker])
    ensure(warehouse, POSTS)
    _land(store, warehouse, BEFORE, [post(7, title=MARK)])
    _land(store, warehouse, DAY, [post(1), post(7, title=MARK), post(8)])
    _land(store, warehouse, DAY, [post(1), post(7, body=MARK), post(8, title="kept")])
    _land(store, warehouse, NEXT, [post(2), post(7, title=MARK)])
    _land(store, warehouse, NEXT, [post(7, title=MARK), *([post(9)] * 9)])  # parked
    _land(store, warehouse, LATER, [post(1), f'{{"id": 7, "title": "{MARK}"}}'.encode(), post(3)])
    assert table(lakehouse).loads() == {1: 1, 2: 3, 3: 3, 4: 2, 5: 10, 6: 2}
    assert len(files_with(lakehouse, MARK)) == 5
    return store


def _land(store: Store, warehouse: Warehouse, day: Any, records: list[Any]) -> None:
    put(store, array(records), key=raw_key("posts", day))
    load(POSTS, day, store, warehouse.loader, SETTINGS)


def _erase(store: Store, warehouse: Warehouse, what: str, **more: str) -> int:
    env = environment(store, warehouse.loader, ERASE=what, **more)
    return subprocess.run(
        [sys.executable, "-c", _CHILD], env=env, check=False, timeout=60
    ).returncode


def _is_counted(warehouse: Warehouse, root: str) -> bool:
    """Return whether the ledger has the rows of each current load, and nothing is pending."""
    loads = table(root).loads()
    current = query(
        warehouse, "select load_id, received, loaded, rejected from ops.loads where is_current"
    )
    return all(
        loads.get(n, 0) == loaded == received - rejected
        for n, received, loaded, rejected in current
    )


@pytest.mark.parametrize(
    "place",
    ["after_objects", "after_mark", "in_files", "before_purge", "before_vacuum", "after_rows"],
)
def test_a_record_leaves_every_file_through_a_kill(
    landed: Store, warehouse: Warehouse, lakehouse: str, place: str
) -> None:
    others = [row for row in current_rows(warehouse, lakehouse) if row["id"] != 7]
    assert _erase(landed, warehouse, "7", PIPELINE_KILL_AT=f"erase.{place}") == -signal.SIGKILL
    assert _erase(landed, warehouse, "7") == 0
    assert files_with(lakehouse, MARK) + traces(warehouse, landed, MARK) == []
    assert _is_counted(warehouse, lakehouse)
    assert not survey_landing(landed, warehouse.loader, FIRST_DAY).waiting
    kept = sorted(current_rows(warehouse, lakehouse), key=lambda row: row["id"])
    assert kept == sorted(others, key=lambda row: row["id"])


@pytest.mark.parametrize("place", ["after_mark", "in_files"])
def test_another_erasure_counts_what_a_killed_one_has_deleted(
    landed: Store, warehouse: Warehouse, lakehouse: str, place: str
) -> None:
    assert _erase(landed, warehouse, "7", PIPELINE_KILL_AT=f"erase.{place}") == -signal.SIGKILL
    assert _erase(landed, warehouse, "8") == 0
    assert _is_counted(warehouse, lakehouse)
    assert _erase(landed, warehouse, "7") == 0
    assert files_with(lakehouse, MARK) == []
    assert _is_counted(warehouse, lakehouse)


@pytest.mark.parametrize("place", ["after_objects", "before_purge", "before_vacuum", "after_rows"])
def test_a_day_leaves_every_file_through_a_kill(
    landed: Store, warehouse: Warehouse, lakehouse: str, place: str
) -> None:
    assert _erase(landed, warehouse, "day", PIPELINE_KILL_AT=f"erase.{place}") == -signal.SIGKILL
    assert _erase(landed, warehouse, "day") == 0
    assert set(table(lakehouse).loads()) == {1, 4, 6}
    assert files_with(lakehouse, "kept") == []
    assert _is_counted(warehouse, lakehouse)


def test_a_load_in_progress_ends_before_its_rows_are_purged(
    landed: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    """It read the object before, so it is outdated, and leaves rows that nobody reads."""
    put(landed, array([post(7, title=MARK), post(9)]))
    with loader(landed, warehouse.loader, PIPELINE_STOP_AT="load.after_copy") as slow:
        slow.wait_until_stopped()
        with ThreadPoolExecutor() as pool:
            erased = pool.submit(_erase, landed, warehouse, "7")
            waiting = "select count(*) from pg_locks where not granted"
            wait_for(lambda: query(warehouse, waiting), [(1,)].__eq__, 30)
            os.kill(slow.process.pid, signal.SIGCONT)
            assert slow.finish()[0] == 0
            assert erased.result() == 0
    assert files_with(lakehouse, MARK) == []
    assert _is_counted(warehouse, lakehouse)


@pytest.mark.usefixtures("landed")
def test_nothing_is_erased_from_a_load_that_the_ledger_miscounts(
    warehouse: Warehouse, lakehouse: str
) -> None:
    rows = ArrowRows(POSTS, library("pyarrow"))

    def without_2(batch: Any) -> Any:
        return rows.only(batch, [number != 2 for number in batch.column("id").to_pylist()])

    table(lakehouse).rewrite(4, rows.schema, without_2)
    with (
        psycopg.connect(warehouse.loader, autocommit=True) as connection,
        pytest.raises(BrokenInvariantError, match="load 4 has 1 rows, but its ledger row says 2"),
    ):
        delete_records(connection, SEVEN)
    assert query(warehouse, "select count(*) from ops.loads where sha256 = 'erased'") == [(0,)]
    assert table(lakehouse).loads()[3] == 3


def test_the_table_may_be_in_a_bucket_with_versions(
    store: Store, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"s3://{store.bucket}/erased"
    use_bucket(store, root, monkeypatch)
    monkeypatch.setenv("LANDING_BUCKET", store.bucket)
    ensure(warehouse, POSTS)
    for title in (MARK, "other"):
        _land(store, warehouse, DAY, [post(1), post(7, title=title)])
    unfinished: Any = {"Bucket": store.bucket, "Key": "erased/raw/posts_rows/load_id=9/x.parquet"}
    store.client.create_multipart_upload(**unfinished)
    with psycopg.connect(warehouse.loader, autocommit=True) as connection:
        assert delete_records(connection, SEVEN) == (2, 0)
    assert table(root).loads() == {1: 1, 2: 1}
    assert_forgotten(store, "erased/", MARK)
    assert not store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads")
