"""Manual dbt next to a transform: it waits for a running task, and is safe between two tasks."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from local.postgres import PostgresServer
from scripts.dbt import drop_build_tables
from scripts.errors import UnavailableError
from scripts.load.superseded import clean_up_all
from scripts.settings import RunSettings
from scripts.warehouse.dbt_lock import dbt_lock
from tests.conftest import Warehouse
from tests.integration.dbt.support import Baseline, Dbt, Loader, days, post
from tests.warehouses import marts

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = days(3)
_TASKS = [
    "pinned_loads",
    "published_days",
    "stg_posts",
    "int_post_changes",
    "int_author_days",
    "fct_post_changes",
    "fct_posts",
    "dim_authors",
    "fct_daily_loads",
]


def _impatient(dsn: str) -> str:
    return make_conninfo(dsn, options="-c statement_timeout=200")


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [(True, True, True), (True, False, True), (False, True, True), (False, False, False)],
    ids=["hand, hand", "hand, task", "task, hand", "task, task"],
)
def test_who_waits_for_whom(
    warehouse: Warehouse, *, first: bool, second: bool, waits: bool
) -> None:
    ends = pytest.raises(UnavailableError, match="statement timeout") if waits else nullcontext()
    with (
        dbt_lock(warehouse.transformer, is_alone=first),
        ends,
        dbt_lock(_impatient(warehouse.transformer), is_alone=second),
    ):
        assert not waits


def test_a_hand_that_waits_gets_its_turn_before_the_next_task(warehouse: Warehouse) -> None:
    """Without this order, tasks in quick succession would block a manual run forever."""
    waiting = "select count(*) from pg_locks where relation = %s::regclass and not granted"
    turns: list[str] = []

    def take(name: str, *, is_alone: bool) -> None:
        with dbt_lock(warehouse.transformer, is_alone=is_alone):
            turns.append(name)

    with (
        psycopg.connect(warehouse.loader, autocommit=True) as other,
        ThreadPoolExecutor(2) as pool,
        dbt_lock(warehouse.transformer, is_alone=False),
    ):
        for count, name in enumerate(("hand", "task"), 1):
            pool.submit(take, name, is_alone=name == "hand")
            deadline = time.monotonic() + 20
            while other.execute(waiting, ["ops.dbt_lock"]).fetchone() != (count,):
                assert time.monotonic() < deadline
    assert turns == ["hand", "task"]


def test_a_killed_holder_leaves_no_lock(warehouse: Warehouse) -> None:
    program = (
        "import sys, signal; from scripts.warehouse.dbt_lock import dbt_lock\n"
        "with dbt_lock(sys.argv[1], is_alone=True): print('held', flush=True); signal.pause()"
    )
    argv = [sys.executable, "-c", program, warehouse.transformer]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UnavailableError),
            dbt_lock(_impatient(warehouse.transformer), is_alone=False),
        ):
            pytest.fail("two at once")
        os.kill(holder.pid, signal.SIGKILL)
    with dbt_lock(
        make_conninfo(warehouse.transformer, options="-c statement_timeout=5s"), is_alone=True
    ):
        pass


@pytest.mark.parametrize("is_alone", [True, False], ids=["hand", "task"])
def test_nothing_is_cleaned_up_while_dbt_runs(warehouse: Warehouse, *, is_alone: bool) -> None:
    """A build pins its rows only some time after it has read the ledger."""
    with (
        dbt_lock(warehouse.transformer, is_alone=is_alone),
        pytest.raises(UnavailableError, match="statement timeout"),
    ):
        clean_up_all(warehouse.loader, _impatient(warehouse.transformer), RunSettings())


@pytest.fixture(scope="module")
def published(
    postgres: PostgresServer, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Baseline, Dbt]:
    """Two days, built and published."""
    baseline = Baseline(postgres, _migrated_template, "dbt_lock")
    dbt = Dbt(baseline.warehouse, tmp_path_factory.mktemp("dbt"))
    loader = Loader(baseline.warehouse)
    loader.load(FIRST, [post(1, "one"), post(2, "two", author=7)])
    loader.load(SECOND, [post(1, "edited"), post(2, "two", author=7)])
    dbt.build()
    dbt.publish()
    baseline.keep()
    return baseline, dbt


@pytest.fixture
def dbt(published: tuple[Baseline, Dbt]) -> Dbt:
    kept, dbt = published
    kept.restore()
    return dbt


@pytest.mark.parametrize("after", ["pinned_loads", "int_post_changes", "dim_authors"])
def test_a_hand_between_two_tasks_leaves_the_same_marts(dbt: Dbt, after: str) -> None:
    """The later tasks continue from the manual build and publish the same state."""
    loader = Loader(dbt.warehouse)
    loader.load(FIRST, [post(1, "one"), post(3, "three")])
    cut = _TASKS.index(after) + 1
    for model in _TASKS[:cut]:
        dbt.build("--select", model)
    loader.load(THIRD, [post(1, "late"), post(4, "four")])

    with dbt_lock(dbt.warehouse.transformer, is_alone=True):
        drop_build_tables(dbt.warehouse.transformer)
        dbt.build("--full-refresh")
        dbt.publish()
    manual = marts(dbt.warehouse)
    for model in _TASKS[cut:]:
        dbt.build("--select", model)
    dbt.publish()

    assert marts(dbt.warehouse) == manual
    assert dbt.rows("select title from marts.fct_posts where post_id = 1") == [("late",)]
    unpublished = "select count(*) from ops.loads where is_current and published_at is null"
    assert dbt.rows(unpublished) == [(0,)]
