"""After a kill at any point of a load into a Delta table, one more load gives the correct rows."""

import os
import signal
from typing import Any

import pytest

from scripts.errors import UnavailableError
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.load.superseded import clean_up
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.fault.loaders import CommitCutter, loader
from tests.fault.test_load import PLACES
from tests.lakehouse.tables import current_rows, ensure, files, table
from tests.loading import DAY, SETTINGS, array, ledger, load_day, post, put, query

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(120)]
OLD = [post(n) for n in range(5)]
NEW = [post(n, title="new") for n in range(3_000)]


@pytest.fixture
def landed(store: Store, warehouse: Warehouse, lakehouse: str) -> Store:
    """A bucket with an object that changed after it was loaded."""
    assert lakehouse
    ensure(warehouse, POSTS)
    put(store, array(OLD))
    load_day(store, warehouse)
    put(store, array(NEW))
    return store


def assert_right(warehouse: Warehouse, root: str, records: list[Any] = NEW) -> None:
    """Check for exactly these rows, one current load, and nothing else after the cleanup."""
    assert current_rows(warehouse, root) == records
    current = query(warehouse, "select load_id, loaded from ops.loads where is_current")
    assert [loaded for _, loaded in current] == [len(records)]
    clean_up(warehouse.loader, POSTS, SETTINGS, [])
    assert table(root).loads() == dict(current)
    assert current_rows(warehouse, root) == records
    table(root).vacuum(hours=0)
    assert len(files(root)) == 1
    assert current_rows(warehouse, root) == records


@pytest.mark.parametrize("place", PLACES)
def test_a_loader_killed_anywhere_leaves_all_or_nothing(
    place: str, landed: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    with loader(landed, warehouse.loader, PIPELINE_KILL_AT=f"load.{place}") as killed:
        assert killed.finish()[0] == -signal.SIGKILL
    is_done = place == "after_commit"
    assert current_rows(warehouse, lakehouse) == (NEW if is_done else OLD)
    left = {1: 5} if place in ("before_get", "in_copy") else {1: 5, 2: 3_000}
    assert table(lakehouse).loads() == left

    result = load_day(landed, warehouse)

    assert result.outcome == ("unchanged" if is_done else "loaded")
    assert_right(warehouse, lakehouse)


@pytest.mark.parametrize("place", ["in_copy", "after_copy", "locked"])
def test_a_zombie_neither_blocks_nor_overwrites(
    place: str, landed: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    with loader(landed, warehouse.loader, PIPELINE_STOP_AT=f"load.{place}") as zombie:
        zombie.wait_until_stopped()
        if place != "locked":
            assert load_day(landed, warehouse).outcome == "loaded"
        winner = ledger(warehouse)
        clean_up(warehouse.loader, POSTS, SETTINGS, [])  # it must not delete the zombie's rows
        os.kill(zombie.process.pid, signal.SIGCONT)
        status, output = zombie.finish()
    assert status == 0, output
    if place == "locked":
        assert "loaded, 3000 of 3000" in output
    else:
        assert "unchanged" in output
        assert ledger(warehouse) == winner
    assert_right(warehouse, lakehouse)


@pytest.mark.parametrize("is_after", [False, True], ids=["before COMMIT", "after COMMIT"])
def test_a_connection_cut_at_commit_is_reported_and_loading_again_is_right(
    is_after: bool, landed: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    with CommitCutter(warehouse.loader, is_after=is_after) as proxy:
        with pytest.raises(UnavailableError):
            load(POSTS, DAY, landed, proxy.proxied, SETTINGS)
        assert proxy.strikes == 1
    assert current_rows(warehouse, lakehouse) == (NEW if is_after else OLD)
    assert load_day(landed, warehouse).outcome == ("unchanged" if is_after else "loaded")
    assert_right(warehouse, lakehouse)
