"""A lakehouse that is rebuilt from the landing zone has the same rows, also after a kill."""

import shutil
import signal
from datetime import date
from pathlib import Path

import pytest

from sources.jsonplaceholder import POSTS
from tests.lakehouse.lake import Lake
from tests.lakehouse.tables import current_rows, same, table
from tests.loading import array, post, put, query

pytestmark = [pytest.mark.lakehouse, pytest.mark.timeout(580)]

_DAY, _NEXT = date(2026, 1, 31), date(2026, 2, 1)


@pytest.fixture
def published(lake: Lake) -> Lake:
    """Two days, of which one was loaded twice, with a rejected record."""
    for day, count in ((_DAY, 20), (_NEXT, 25), (_NEXT, 30)):
        put(lake.store, array([*map(post, range(count)), {"id": 99}]), key=f"raw/posts/{day}.json")
        assert lake.load(POSTS, day) == "loaded"
    done = lake.run("dbt")
    assert done.returncode == 0, done.stderr
    return lake


def _rows(lake: Lake) -> list[str]:
    return sorted(map(repr, current_rows(lake.warehouse, lake.root)))


def _drop(lake: Lake) -> None:
    """Remove every row and every mart, as an operator does who has lost them."""
    table(lake.root).delete(list(table(lake.root).loads()))
    for schema in ("build", "published", "ops"):
        shutil.rmtree(Path(lake.root, schema))


def test_lost_tables_come_back_with_equal_rows_through_kills(published: Lake) -> None:
    rows, marts = _rows(published), published.shown()
    _drop(published)
    for place in ("load.in_copy", "load.before_commit", "rebuild.after_loads"):
        killed = published.run("rebuild", PIPELINE_KILL_AT=place)
        assert killed.returncode == -signal.SIGKILL, (place, killed.stderr)
    done = published.run("rebuild")
    assert done.returncode == 0, done.stderr
    assert "rebuilt from 2 objects: 50 of 52 records loaded, 2 rejected" in done.stdout
    assert _rows(published) == rows
    assert same(published.shown(), marts)


def test_one_source_comes_back_in_a_fresh_table_through_kills(published: Lake) -> None:
    rows, marts = _rows(published), published.shown()
    command = ("rebuild", "--source", "posts")
    admin = {"PIPELINE_WAREHOUSE_ADMIN_DSN": published.warehouse.admin}
    for place in ("rebuild.in_recreate", "rebuild.recreated", "load.after_commit"):
        killed = published.run(*command, **admin, PIPELINE_KILL_AT=place)
        assert killed.returncode == -signal.SIGKILL, (place, killed.stderr)
        assert same(published.shown(), marts)
        refused = published.run("dbt")
        assert refused.returncode == 2, place
        assert "raw.posts_rows is not complete: run `python -m scripts.rebuild" in refused.stderr
    assert same(published.shown(), marts)
    done = published.run(*command, **admin)
    assert done.returncode == 0, done.stderr
    assert _rows(published) == rows
    assert same(published.shown(), marts)
    assert set(table(published.root).loads()) == {
        n for (n,) in query(published.warehouse, "select load_id from ops.loads where is_current")
    }
