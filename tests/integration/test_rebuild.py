"""Raw is the truth: a dropped warehouse is rebuilt from it with identical marts."""

from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.migrate import migrate
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.documents import ROOT, run_readme
from tests.loading import DAY, KEY, SETTINGS, array, environment, post, put, put_foreign, run
from tests.warehouses import count, dbt_place, marts, tables

pytestmark = pytest.mark.integration

_LONG_AGO = date(2001, 2, 3)  # far outside the lookback
_DAYS = [_LONG_AGO, DAY, DAY + timedelta(days=1)]
_SCHEMAS = ("marts", "staging", "build", "raw", "ops")


def _land(store: Store, day: date, body: bytes) -> None:
    put(store, body, key=raw_key("posts", day))


def _owner(warehouse: Warehouse) -> str:
    return warehouse.server.dsn(warehouse.name, "owner", "owner-pw")


def _drop(warehouse: Warehouse, kind: str, names: list[sql.Identifier]) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute(
            sql.SQL("drop {} {} cascade").format(sql.SQL(kind), sql.SQL(", ").join(names))
        )


def test_a_dropped_warehouse_comes_back_with_identical_marts(
    warehouse: Warehouse, store: Store, tmp_path: Path
) -> None:
    """A parked object is parked again and reported at the end. A failed gate changes nothing."""
    place = dbt_place(warehouse, tmp_path)
    _land(store, _DAYS[2], array([post(1), post(2, title="to be replaced")]))
    load(POSTS, _DAYS[2], store, warehouse.loader, SETTINGS)
    _land(store, _DAYS[2], array([post(1, title="edited"), post(3), b'{"id": 4}']))
    put_foreign(store, b'[{"body": "b",\n "id": 1, "title": "t", "userId": 1}]')
    _land(store, _LONG_AGO, array([post(1), post(9, title="\U0001f600 \\ \t")]))
    _land(store, DAY - timedelta(days=1), b"<html>")
    put(store, b"[]", key="raw/posts/not-a-day.json")
    for day in reversed(_DAYS):
        load(POSTS, day, store, warehouse.loader, SETTINGS)
    built = run(store, warehouse, "dbt", **place)
    assert (built.returncode, built.stderr) == (0, "")
    before = marts(warehouse)
    assert count(warehouse, "select count(*) from marts.fct_post_changes") == 6

    _drop(warehouse, "schema", [sql.Identifier(name) for name in _SCHEMAS])
    admin = {"PIPELINE_WAREHOUSE_ADMIN_DSN": _owner(warehouse)}
    killed = run(
        store, warehouse, "rebuild", **place, **admin, PIPELINE_KILL_AT="rebuild.after_loads"
    )
    assert (killed.returncode, marts(warehouse)) == (-9, {})
    env = environment(store, warehouse.loader, **place, **admin)
    rebuilt = run_readme("python -m scripts.rebuild", ROOT, env)

    assert "rebuilt from 3 objects: 5 of 6 records" in rebuilt.stdout
    assert rebuilt.returncode == 2
    assert "1 objects are parked" in rebuilt.stderr
    assert marts(warehouse) == before
    with psycopg.connect(warehouse.reader) as connection:
        assert connection.execute("select count(*) from marts.fct_posts").fetchone() == (3,)

    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("delete from raw.posts_rows where id = 9")
    refused = run(store, warehouse, "dbt", "--full-refresh", **place)
    assert refused.returncode == 2
    assert "posts_match_the_ledger" in refused.stderr
    assert marts(warehouse) == before


def test_a_warehouse_moves_to_another_database_by_a_migration_and_a_rebuild(
    warehouse: Warehouse, store: Store, tmp_path: Path
) -> None:
    """As from a local database to a managed one: the landing zone is all that it needs."""
    _land(store, DAY, array([post(1), post(2)]))
    _land(store, _DAYS[2], array([post(1, title="edited"), post(3, more=[1])]))
    for day in _DAYS[1:]:
        load(POSTS, day, store, warehouse.loader, SETTINGS)
    assert run(store, warehouse, "dbt", **dbt_place(warehouse, tmp_path / "old")).returncode == 0
    with psycopg.connect(warehouse.server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create database moved owner owner")
    moved = Warehouse(warehouse.server, "moved")
    place = {
        **dbt_place(moved, tmp_path / "new"),
        "PIPELINE_WAREHOUSE_ADMIN_DSN": _owner(moved),
    }

    assert run(store, moved, "migrate", **place).returncode == 0
    rebuilt = run(store, moved, "rebuild", **place)

    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    assert marts(moved) == marts(warehouse)
    assert count(moved, "select count(*) from marts.fct_post_changes") == 5


def test_tables_that_were_dropped_out_of_their_schemas_are_made_again(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, array([post(1)]))
    _drop(warehouse, "table", tables(warehouse))

    migrate(_owner(warehouse))

    assert load(POSTS, DAY, store, warehouse.loader, SETTINGS).loaded == 1


def test_a_warehouse_that_does_not_answer_is_named_without_its_password(
    warehouse: Warehouse, store: Store, tmp_path: Path
) -> None:
    place = dbt_place(warehouse, tmp_path) | {"DBT_PASSWORD": "wrong-pw"}
    failed = run(store, warehouse, "dbt", **place)
    assert failed.returncode == 2
    assert "as transformer" in failed.stderr
    assert "wrong-pw" not in failed.stderr


def test_one_source_is_loaded_into_a_fresh_table_and_nothing_is_published_before_it_is_complete(
    warehouse: Warehouse, store: Store, tmp_path: Path
) -> None:
    place = dbt_place(warehouse, tmp_path)
    _land(store, _LONG_AGO, array([post(1), post(2)]))
    _land(store, DAY, array([post(1, title="edited")]))
    for day in _DAYS[:2]:
        load(POSTS, day, store, warehouse.loader, SETTINGS)
    _land(store, _DAYS[2], b"<html>")
    assert load(POSTS, _DAYS[2], store, warehouse.loader, SETTINGS).outcome == "parked"
    assert run(store, warehouse, "dbt", **place).returncode == 0
    before = marts(warehouse)
    table = "select to_regclass('raw.posts_rows')::oid::bigint"
    oid = count(warehouse, table)

    command = ("rebuild", "--source", "posts")
    refused = run(store, warehouse, *command, **place)
    assert refused.returncode == 2
    assert "PIPELINE_WAREHOUSE_ADMIN_DSN" in refused.stderr
    place["PIPELINE_WAREHOUSE_ADMIN_DSN"] = _owner(warehouse)
    killed = run(store, warehouse, *command, **place, PIPELINE_KILL_AT="load.after_commit")

    assert killed.returncode == -9  # one of two days is loaded
    assert count(warehouse, table) != oid
    assert count(warehouse, "select count(*) from ops.loads where is_current") == 1
    refused = run(store, warehouse, "dbt", **place)
    assert refused.returncode == 2
    assert "raw.posts_rows is not complete" in refused.stderr
    assert "python -m scripts.rebuild --source posts" in refused.stderr
    assert marts(warehouse) == before

    done = run(store, warehouse, *command, **place)

    assert "rebuilt from 1 objects" in done.stdout
    assert "1 objects are parked" in done.stderr
    assert done.returncode == 2
    assert marts(warehouse) == before
    assert run(store, warehouse, "dbt", **place).returncode == 0
    assert count(warehouse, "select count(*) from ops.loads where published_at is null") == 1


def test_a_day_whose_object_was_deleted_is_not_rebuilt(
    warehouse: Warehouse, store: Store, tmp_path: Path
) -> None:
    place = dbt_place(warehouse, tmp_path)
    titles = "select string_agg(title, ' ' order by post_id) from marts.fct_posts"
    _land(store, DAY, array([post(1), post(2)]))
    assert run(store, warehouse, "rebuild", **place).returncode == 0
    before = marts(warehouse)
    _land(store, _DAYS[2], array([post(1, title="edited"), post(2)]))
    assert run(store, warehouse, "rebuild", **place).returncode == 0
    assert count(warehouse, titles) == "edited t2"

    store.delete(raw_key("posts", _DAYS[2]))
    rebuilt = run(store, warehouse, "rebuild", **place)

    assert f"withdrew raw/posts/{_DAYS[2]}.json: the object was deleted" in rebuilt.stdout
    assert rebuilt.returncode == 0
    assert marts(warehouse) == before


@pytest.mark.parametrize("arguments", [[], ["--source", "posts"]])
def test_a_bucket_in_which_nothing_is_left_of_a_source_is_not_believed(
    warehouse: Warehouse, store: Store, tmp_path: Path, arguments: list[str]
) -> None:
    put(store, array([post(1)]))
    load(POSTS, DAY, store, warehouse.loader, SETTINGS)
    store.delete(KEY)
    refused = run(store, warehouse, "rebuild", *arguments, **dbt_place(warehouse, tmp_path))
    assert refused.returncode == 2
    assert f"s3://{store.bucket}/raw/posts/ is empty, but the warehouse" in refused.stderr
    assert count(warehouse, "select count(*) from raw.posts_rows") == 1
    assert count(warehouse, "select count(*) from ops.loads where is_current") == 1
