"""The result is read back from the landing zone and the ledger, not from what the runs report."""

import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console

from local.ministack import MiniStack
from local.result import is_fresh, landing, show_result
from local.stack import Stack
from local.state import BUCKET
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import SETTINGS, array, post, put

pytestmark = pytest.mark.integration

_DAY = date(2026, 1, 31)
_KEY = raw_key("posts", _DAY)


class StackOfTests(Stack):
    """The stack's servers are those of the session, with the warehouse of one test."""

    warehouse: Warehouse

    def dsn(self, role: str) -> str:
        return str(getattr(self.warehouse, role))


@pytest.fixture
def stack(tmp_path: Path, ministack: MiniStack, warehouse: Warehouse) -> StackOfTests:
    made = StackOfTests(tmp_path / "state")
    made.folder.mkdir()
    made.state.ports.s3 = ministack.port
    made.warehouse = warehouse
    ministack.bootstrap(BUCKET)
    return made


@pytest.fixture
def store(stack: StackOfTests) -> Store:
    """The landing zone of the stack, without the objects of other tests."""
    found = landing(stack)
    found.client.delete_object(Bucket=BUCKET, Key=_KEY)
    return found


def _load(stack: StackOfTests, store: Store) -> None:
    load(POSTS, _DAY, store, stack.dsn("loader"), SETTINGS)


def _publish(stack: StackOfTests) -> None:
    with psycopg.connect(stack.dsn("loader")) as connection:
        connection.execute("update ops.loads set published_at = %s", [datetime.now(UTC)])


def _runs(**states: str) -> list[dict[str, Any]]:
    tasks = [{"task_id": "load", "state": "success"}]
    return [
        {"dag_id": dag_id, "state": state, "duration": 1.25, "tasks": tasks}
        for dag_id, state in states.items()
    ]


def _shown(stack: StackOfTests, runs: list[dict[str, Any]], **keys: str) -> tuple[bool, str]:
    output = io.StringIO()
    console = Console(file=output, width=200)
    is_good = show_result(stack, {"posts": _KEY, **keys}, runs, console)
    return is_good, output.getvalue()


def test_an_object_is_fresh_when_its_content_is_loaded_and_published(
    stack: StackOfTests, store: Store
) -> None:
    assert not is_fresh(stack, _KEY)
    put(store, array([post(1)]), key=_KEY)
    assert not is_fresh(stack, _KEY)
    _load(stack, store)
    assert not is_fresh(stack, _KEY)
    _publish(stack)
    assert is_fresh(stack, _KEY)
    put(store, array([post(2)]), key=_KEY)
    assert not is_fresh(stack, _KEY)


def test_the_figures_are_those_of_the_ledger_and_the_marts(
    stack: StackOfTests, store: Store
) -> None:
    put(store, array([post(1), post(2), post(3, title=None)]), key=_KEY)
    _load(stack, store)
    _publish(stack)
    with psycopg.connect(stack.warehouse.transformer) as connection:
        connection.execute(
            "create table marts.fct_posts as select 1 as post_id, 'Ada' as author_name, 5 as"
            " comment_count, e'two\nlines' as title, current_date as first_seen_day"
        )
        connection.execute(
            "create table marts.fct_earthquake_days as select current_date as day, 5 as"
            " earthquakes, 6.75 as strongest, 3 as average_magnitude"
        )
    is_good, shown = _shown(stack, _runs(ingest_posts="success", transform_posts="success"))
    assert is_good
    assert "the marts are fresh" in shown
    assert f"3 received = 2 loaded + 1 rejected  s3://{BUCKET}/{_KEY}" in shown
    assert "nothing new: this day is already loaded and published" in shown
    assert "ingest_posts 1.2, transform_posts 1.2" in shown
    assert "two lines" in shown
    assert "6.75" in shown


def test_a_failed_run_is_never_a_good_result(stack: StackOfTests, store: Store) -> None:
    put(store, array([post(1)]), key=_KEY)
    _load(stack, store)
    _publish(stack)
    runs = _runs(ingest_posts="success", transform_posts="failed")
    runs[-1]["tasks"] = [{"task_id": "publish", "state": "failed"}]
    is_good, shown = _shown(stack, runs)
    assert not is_good
    assert "failed: transform_posts: publish" in shown


def test_a_day_without_an_object_says_so(stack: StackOfTests, store: Store) -> None:
    assert store.head(_KEY) is None
    is_good, shown = _shown(stack, _runs(ingest_posts="failed"))
    assert not is_good
    assert f"nothing at s3://{BUCKET}/{_KEY}" in shown


def test_a_source_that_is_not_there_is_never_a_good_result(
    stack: StackOfTests, store: Store
) -> None:
    comments = raw_key("comments", _DAY)
    put(store, array([post(1)]), key=_KEY)
    _load(stack, store)
    _publish(stack)
    runs = _runs(ingest_posts="success", ingest_comments="failed", transform_posts="success")
    is_good, shown = _shown(stack, runs, comments=comments)
    assert not is_good
    assert f"nothing at s3://{BUCKET}/{comments}" in shown
    put(store, array([post(1)]), key=comments)
    assert f"{comments} is not loaded" in _shown(stack, runs, comments=comments)[1]
    store.client.delete_object(Bucket=BUCKET, Key=comments)
