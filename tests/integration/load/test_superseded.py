"""What the cleanup after loads deletes and keeps, and sources with other keys than posts."""

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.errors import ConfigurationError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.load.raw_tables import ensure_raw
from scripts.load.superseded import clean_up, clean_up_all
from scripts.settings import RunSettings
from sources import Source
from sources.jsonplaceholder import API, POSTS
from tests.conftest import Warehouse
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
    rejects,
    run,
)

pytestmark = pytest.mark.integration


class Vote(msgspec.Struct):
    poll: str
    voter: int
    choice: str | None = None


class Tag(msgspec.Struct):
    name: str
    weight: float = 1


VOTES = Source(api=API, name="votes", path="/votes", contract=Vote, key=("poll", "voter"))
TAGS = Source(api=API, name="tags", path="/tags", contract=Tag, key=("name",))


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_load_cleanup") as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def _bucket(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-load-cleanup")


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    return _database


@pytest.fixture
def store(_bucket: Store) -> Store:
    _bucket.client.delete_object(Bucket=_bucket.bucket, Key=KEY)
    return _bucket


def reload(store: Store, warehouse: Warehouse, versions: int) -> None:
    for version in range(versions):
        put(store, array([*(post(n, title=str(version)) for n in range(30)), {}]))
        assert load_day(store, warehouse).outcome == "loaded"


def rows_by_load(warehouse: Warehouse) -> dict[int, int]:
    found = query(warehouse, "select load_id, count(*) from raw.posts_rows group by load_id")
    return dict(found)


def test_rows_of_replaced_loads_go_and_the_history_stays(
    store: Store, warehouse: Warehouse
) -> None:
    reload(store, warehouse, 3)
    assert rows_by_load(warehouse) == {1: 30, 2: 30, 3: 30}
    assert clean_up(warehouse.loader, POSTS, SETTINGS, []) == 60
    assert rows_by_load(warehouse) == {3: 30}
    assert len(ledger(warehouse)) == 3
    assert len(rejects(warehouse)) == 3
    assert clean_up(warehouse.loader, POSTS, SETTINGS, []) == 0


def test_what_a_build_has_pinned_stays(store: Store, warehouse: Warehouse) -> None:
    reload(store, warehouse, 3)
    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("create table build.pinned_loads as select 1::bigint as load_id")
    try:
        assert clean_up_all(warehouse.loader, warehouse.transformer, SETTINGS) == 30
        assert rows_by_load(warehouse) == {1: 30, 3: 30}
    finally:
        with psycopg.connect(warehouse.transformer) as connection:
            connection.execute("drop table build.pinned_loads")
    assert clean_up_all(warehouse.loader, warehouse.transformer, SETTINGS) == 30


def test_rejects_and_history_go_when_they_are_old(store: Store, warehouse: Warehouse) -> None:
    reload(store, warehouse, 2)
    put(store, b"[")
    for _ in range(2):
        load_day(store, warehouse)
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("update ops.loads set loaded_at = loaded_at - interval '31 days'")
    reload(store, warehouse, 1)
    put(store, b"[1")
    load_day(store, warehouse)
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("update ops.loads set loaded_at = '2026-01-01' where state = 'parked'")

    clean_up(warehouse.loader, POSTS, RunSettings(retention_days=30), [])

    # The latest result of an object is kept at any age. Without it the object would be retried.
    assert ledger(warehouse, "state, is_current") == [("loaded", True), ("parked", False)]
    assert [position for position, *_ in rejects(warehouse)] == [30]


def test_closed_incidents_go_when_they_are_old_and_everybody_knows(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.loader) as connection:
        for number, closed in enumerate(("31 days", "29 days", None, "31 days"), 1):
            connection.execute(
                "insert into ops.incidents (fingerprint, kind, subject, details, closed_at)"
                " values (%s, 'run-failed', 's', '{}', clock_timestamp() - %s::interval)",
                [str(number), closed],
            )
        connection.execute("insert into ops.deliveries values (4, 'slack', 'recovered')")
    clean_up_all(warehouse.loader, warehouse.transformer, RunSettings(retention_days=30))
    assert query(warehouse, "select incident_id from ops.incidents order by 1") == [
        (2,),
        (3,),
        (4,),
    ]


def test_an_old_reject_of_a_current_load_keeps_only_its_key(
    store: Store, warehouse: Warehouse
) -> None:
    put(store, array([post(1), post(30, title=5)]))
    load_day(store, warehouse)
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("update ops.loads set loaded_at = loaded_at - interval '31 days'")
    for _ in range(2):
        clean_up(warehouse.loader, POSTS, RunSettings(retention_days=30), [])
    kept = "select position, record, record_bytes > 0, record_key from ops.rejects"
    assert query(warehouse, kept) == [(1, b"", True, {"id": 30})]


@pytest.mark.parametrize(
    ("source", "records", "kept"),
    [
        (
            VOTES,
            [{"poll": "a", "voter": 1}, {"poll": "a", "voter": 2}, {"poll": "b", "voter": 1}],
            [0, 1, 2],
        ),
        (
            VOTES,
            [
                {"poll": "é\n", "voter": 2},
                {"poll": "é\n", "voter": -(2**63)},
                {"poll": "é\n", "voter": 2, "choice": "x"},
                {"poll": "é\n", "voter": 2**63},
            ],
            [1],
        ),
        (
            TAGS,
            [{"name": "b"}, {"name": "a", "weight": 1.5}, {"name": "b"}, {"name": ""}],
            [0, 1, 3],
        ),
        (
            TAGS,
            [{"name": "a"}, b'{"name": "b", "weight": 1e-20000}', {"name": "c", "weight": 1e9}],
            [0, 2],
        ),
    ],
)
def test_a_key_may_be_a_text_or_several_fields(
    source: Source, records: list[Any], kept: list[int], store: Store, warehouse: Warehouse
) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        ensure_raw(connection, source)
    put(store, array(records), key=raw_key(source.name, DAY))
    settings = RunSettings(max_reject_share=1)
    result = load(source, DAY, store, warehouse.loader, settings)
    assert (result.loaded, result.received) == (len(kept), len(records))
    expected = [msgspec.json.decode(array([records[at]]))[0] for at in kept]
    assert payloads(warehouse, source.name) == expected
    columns = sql.SQL(", ").join(map(sql.Identifier, source.key_columns))
    view = sql.Identifier("raw", source.name)
    assert query(warehouse, sql.SQL("select {} from {}").format(columns, view)) == [
        tuple(record[name] for name in source.key_columns) for record in expected
    ]


def test_a_warehouse_without_the_sources_table_is_reported(
    store: Store, warehouse: Warehouse
) -> None:
    source = Source(api=API, name="unknown", path="/", contract=Tag, key=("name",))
    put(store, b"[]", key=raw_key(source.name, DAY))
    with pytest.raises(ConfigurationError, match=r"python -m scripts\.migrate"):
        load(source, DAY, store, warehouse.loader, SETTINGS)


def test_the_command_line_loads_a_day_or_says_why_not(store: Store, warehouse: Warehouse) -> None:
    day = str(DAY)
    absent = run(store, warehouse, "load", "posts", "--day", day)
    put(store, array([post(1)]))
    loaded = run(store, warehouse, "load", "posts", "--day", day)
    put(store, array([post(1)])[:-3])
    parked = run(store, warehouse, "load", "posts", "--day", day)
    wrong = run(store, warehouse, "load", "posts", "--day", "yesterday")

    assert [run.returncode for run in (absent, loaded, parked, wrong)] == [2, 0, 2, 2]
    assert absent.stderr.startswith(f"error: {KEY} does not exist")
    assert loaded.stdout.startswith(f"{KEY}: loaded, 1 of 1 records, 0 rejected, in 0.")
    assert parked.stderr.startswith(
        f"error: {KEY} is parked, the previous state of its day stays: the input"
    )
    assert wrong.stderr == "error: expected a day as YYYY-MM-DD, got 'yesterday'\n"
    assert all(run.stderr.count("\n") == 1 for run in (absent, parked, wrong))
