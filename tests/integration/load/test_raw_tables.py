"""A changed contract: the raw table is adapted, or an error names the command that helps."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from scripts.errors import ConfigurationError
from scripts.landing.store import Store
from scripts.load.raw_tables import check_raw, ensure_raw
from scripts.migrate import migrate
from sources import SOURCES, BigInt, Source
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import array, ledger, load_day, payloads, post, put, query

pytestmark = pytest.mark.integration


class TextPost(msgspec.Struct):
    """A post whose API gives its ids as texts."""

    id: str
    title: str
    body: str
    user_id: BigInt = msgspec.field(name="userId")


AS_TEXT = replace(POSTS, contract=TextPost)
BY_AUTHOR = replace(POSTS, key=("userId", "id"))
COLUMNS = """
    select attname, format_type(atttypid, null) from pg_attribute
    where attrelid = 'raw.posts_rows'::regclass and attnum > 0 and not attisdropped
    order by attname
"""


def _owner(warehouse: Warehouse) -> str:
    return warehouse.server.dsn(warehouse.name, "owner", "owner-pw")


def _ensure(warehouse: Warehouse, source: Source) -> None:
    with psycopg.connect(_owner(warehouse)) as connection:
        ensure_raw(connection, source)


def _declare(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    declared = {**SOURCES, source.name: source}
    for module in ("migrate", "load.load", "reconcile.pending"):
        monkeypatch.setattr(f"scripts.{module}.SOURCES", declared)


def _view_of_transformer(warehouse: Warehouse) -> None:
    """A staging view, as dbt makes it: it must not hold up the change."""
    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("create view staging.stg_posts as select id from raw.posts_rows")


def test_a_key_of_another_type_is_converted(warehouse: Warehouse, store: Store) -> None:
    put(store, array([post(7), post(8)]))
    assert load_day(store, warehouse).outcome == "loaded"
    _view_of_transformer(warehouse)

    _ensure(warehouse, AS_TEXT)

    assert dict(query(warehouse, COLUMNS))["id"] == "text"
    assert query(warehouse, "select id from raw.posts order by 1") == [("7",), ("8",)]
    put(store, array([post(1, id="seven-a"), post(2, id="8")]))
    assert load_day(store, warehouse, source=AS_TEXT).loaded == 2
    assert query(warehouse, "select id from raw.posts order by 1") == [("8",), ("seven-a",)]
    _ensure(warehouse, AS_TEXT)  # once more changes nothing
    assert len(payloads(warehouse)) == 2


def test_a_field_that_joins_the_key_is_filled_from_the_records(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, array([post(7), post(8)]))
    load_day(store, warehouse)

    _ensure(warehouse, BY_AUTHOR)

    found = query(warehouse, "select user_id, id from raw.posts order by 2")
    assert found == [(7, 7), (8, 8)]
    put(store, array([post(1, userId=1), post(1, userId=2)]))
    assert load_day(store, warehouse, source=BY_AUTHOR).loaded == 2

    _ensure(warehouse, replace(POSTS, key=("userId",)))  # and one that leaves the key may be null
    assert (dict(query(warehouse, COLUMNS))["id"], len(payloads(warehouse))) == ("bigint", 2)


@pytest.mark.parametrize("changed", [AS_TEXT, BY_AUTHOR], ids=["type", "field"])
def test_a_load_into_a_table_that_does_not_fit_names_the_migration(
    warehouse: Warehouse, store: Store, changed: Source
) -> None:
    """Never transient, never a parked object: the data is right."""
    put(store, array([post(1, id="1") if changed is AS_TEXT else post(1)]))
    with pytest.raises(ConfigurationError, match=r"raw.posts_rows.*python -m scripts.migrate"):
        load_day(store, warehouse, source=changed)
    assert ledger(warehouse) == []

    _ensure(warehouse, changed)
    assert load_day(store, warehouse, source=changed).loaded == 1


def test_a_table_does_not_change_between_its_check_and_the_end_of_the_load(
    warehouse: Warehouse,
) -> None:
    """Otherwise the rows would not fit, and a good object would be parked."""
    with psycopg.connect(warehouse.loader) as loader, psycopg.connect(_owner(warehouse)) as owner:
        check_raw(loader, POSTS)
        owner.execute("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            owner.execute("alter table raw.posts_rows add column added bigint")
        loader.rollback()
        owner.rollback()
        owner.execute("alter table raw.posts_rows add column added bigint")
        owner.rollback()


def test_rows_that_cannot_be_converted_name_the_rebuild_and_hold_up_no_other_table(
    warehouse: Warehouse, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ensure(warehouse, AS_TEXT)
    put(store, array([post(1, id="seven")]))
    load_day(store, warehouse, source=AS_TEXT)
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("drop table raw.users_rows cascade")
    before = query(warehouse, COLUMNS)

    with pytest.raises(ConfigurationError, match=r"scripts.rebuild --source posts") as refused:
        migrate(_owner(warehouse))

    assert "id text" in str(refused.value)
    assert "id bigint" in str(refused.value)
    assert query(warehouse, COLUMNS) == before
    assert len(payloads(warehouse)) == 1
    assert query(warehouse, "select to_regclass('raw.users_rows') is not null") == [(True,)]

    _declare(monkeypatch, AS_TEXT)
    migrate(_owner(warehouse))  # the contract that fits


def test_a_record_without_the_new_key_field_names_the_rebuild(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, array([post(1)]))
    load_day(store, warehouse)
    by_slug = replace(POSTS, key=("slug",), contract=msgspec.defstruct("Slug", [("slug", str)]))
    with pytest.raises(ConfigurationError, match=r"null values.*rebuild --source posts"):
        _ensure(warehouse, by_slug)


class Wider(msgspec.Struct):
    """A post whose contract has more fields, and other types."""

    id: int
    body: str
    user_id: str = msgspec.field(name="userId")
    tags: list[str] | None = None
    score: float | None = None


def test_a_changed_contract_moves_values_between_columns_and_extra_and_back(
    warehouse: Warehouse, store: Store
) -> None:
    records = [post(1, tags=["a"], score=1.5, more=None), post(2, tags=None, score=2), post(3)]
    put(store, array(records))
    load_day(store, warehouse)
    before = payloads(warehouse)

    _ensure(warehouse, replace(POSTS, contract=Wider))

    rows = "select user_id, tags, score, extra from raw.posts order by id"
    assert query(warehouse, rows) == [
        ("1", ["a"], 1.5, {"title": "t1", "more": None}),
        ("2", None, 2.0, {"title": "t2"}),
        ("3", None, None, {"title": "t3"}),
    ]
    _ensure(warehouse, POSTS)
    [first, second, third] = before
    assert payloads(warehouse) == [first, {k: v for k, v in second.items() if k != "tags"}, third]


def _as_before_typed_columns(warehouse: Warehouse) -> None:
    """Give the table of posts the columns that earlier releases made."""
    with psycopg.connect(_owner(warehouse)) as connection:
        connection.execute(
            """
            create table raw.old as
            select load_id, position, id, jsonb_build_object(
                'userId', user_id, 'id', id, 'title', title, 'body', body
            ) || coalesce(extra, '{}') as payload
            from raw.posts_rows
            """
        )
        connection.execute("drop table raw.posts_rows cascade")
        connection.execute("alter table raw.old rename to posts_rows")
        for column in ("payload", "id"):
            change = sql.SQL("alter table raw.posts_rows alter {} set not null")
            connection.execute(change.format(sql.Identifier(column)))
        connection.execute("alter table raw.posts_rows add primary key (load_id, position)")


def test_a_table_of_whole_records_is_split_into_columns(warehouse: Warehouse, store: Store) -> None:
    put(store, array([post(1, more=[1.50]), post(2)]))
    load_day(store, warehouse)
    before = query(warehouse, "select * from raw.posts order by id")
    _as_before_typed_columns(warehouse)

    with pytest.raises(ConfigurationError, match=r"payload jsonb.*python -m scripts.migrate"):
        load_day(store, warehouse, again=True)
    migrate(_owner(warehouse))

    assert query(warehouse, "select * from raw.posts order by id") == before
    assert load_day(store, warehouse, again=True).loaded == 2
    with psycopg.connect(warehouse.transformer) as connection:
        keys = connection.execute("select record_key from ops.record_keys order by 1").fetchall()
    assert keys == [('{"id": 1}',), ('{"id": 1}',), ('{"id": 2}',), ('{"id": 2}',)]


def test_a_field_may_have_the_name_that_the_column_of_whole_records_had(
    warehouse: Warehouse, store: Store
) -> None:
    put(store, array([post(1, payload="p"), post(2, payload=None)]))
    load_day(store, warehouse)
    _as_before_typed_columns(warehouse)
    fields: list[Any] = [("id", int), ("payload", str | None, None)]
    _ensure(warehouse, replace(POSTS, contract=msgspec.defstruct("P", fields), references={}))
    found = query(warehouse, "select id, payload, extra ->> 'title' from raw.posts order by id")
    assert found == [(1, "p", "t1"), (2, None, "t2")]


def test_a_column_that_leaves_the_contract_keeps_its_moments(
    warehouse: Warehouse, store: Store
) -> None:
    """Moments are taken for UTC, wherever the server of the owner is."""
    fields = [("id", int), ("at", datetime)]
    source = replace(POSTS, contract=msgspec.defstruct("At", fields), references={})
    _ensure(warehouse, source)
    put(store, array([{"id": 1, "at": "2026-01-01T12:00:00"}]))
    load_day(store, warehouse, source=source)
    moment = query(warehouse, "select at from raw.posts")
    for contract in (msgspec.defstruct("No", fields[:1]), msgspec.defstruct("At", fields)):
        _ensure(warehouse, replace(source, contract=contract))
    assert query(warehouse, "select at from raw.posts") == moment
