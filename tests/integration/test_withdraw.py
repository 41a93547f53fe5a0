"""A day is withdrawn from bucket and marts, at any kill, and comes back when its object does."""

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from tests.conftest import Warehouse
from tests.documents import ROOT, run_readme
from tests.loading import DAY, KEY, array, environment, post, put, run
from tests.warehouses import count, dbt_place, marts

pytestmark = pytest.mark.integration

_BEFORE = raw_key("posts", DAY - timedelta(days=1))
_WITHDRAW = ("withdraw", "posts", "--day", str(DAY))


@pytest.fixture
def place(warehouse: Warehouse, store: Store, tmp_path: Path) -> dict[str, str]:
    """Two days in the marts. The second one edits a post and brings another."""
    place = dbt_place(warehouse, tmp_path)
    put(store, array([post(1)]), key=_BEFORE)
    put(store, array([post(1, title="edited"), post(2)]))
    assert run(store, warehouse, "rebuild", **place).returncode == 0
    assert count(warehouse, "select count(*) from marts.fct_posts") == 2
    return place


def test_a_withdrawn_day_leaves_the_marts_and_can_come_back(
    warehouse: Warehouse, store: Store, place: dict[str, str]
) -> None:
    before = marts(warehouse)
    for place_of_kill in ("withdraw.after_object", "withdraw.after_ledger"):
        killed = run(store, warehouse, *_WITHDRAW, **place, PIPELINE_KILL_AT=place_of_kill)
        assert (killed.returncode, marts(warehouse)) == (-9, before)
    env = environment(store, warehouse.loader, **place)
    done = run_readme("python -m scripts.withdraw posts --day 2026-01-31", ROOT, env)
    assert (done.returncode, done.stdout) == (0, f"withdrew {KEY}. Marts published\n")
    assert store.find(KEY) is None
    assert count(warehouse, "select count(*) from marts.fct_posts") == 1
    assert count(warehouse, "select title from marts.fct_posts") == "t1"

    [marker] = [v for v in store.versions(KEY) if v.is_marker]
    store.delete_versions([marker])
    assert run(store, warehouse, "load", "posts", "--day", str(DAY)).returncode == 0
    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("create table marts.dim_extra as select title from marts.fct_posts")
    assert run_readme("python -m scripts.dbt --drop-unowned", ROOT, env).returncode == 0
    assert marts(warehouse) == before


def test_a_day_that_nothing_knows_is_refused(
    warehouse: Warehouse, store: Store, place: dict[str, str]
) -> None:
    refused = run(store, warehouse, "withdraw", "posts", "--day", "2026-02-01", **place)
    assert refused.returncode == 2
    assert "raw/posts/2026-02-01.json does not exist" in refused.stderr
