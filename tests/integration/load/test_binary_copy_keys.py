"""Keys of every type end in typed columns, equal to what PostgreSQL reads from their texts."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.erase.from_landing import remove_records
from scripts.erase.from_warehouse import delete_records
from scripts.erase.wanted import Wanted
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load import raw_tables
from scripts.load.raw_tables import ensure_raw
from scripts.load.record_key import read_missing_keys
from scripts.settings import RunSettings
from sources.declaration import Source
from sources.declaration.paths import Path
from sources.jsonplaceholder import API
from tests.conftest import Warehouse
from tests.loading import (
    DAY,
    array,
    bucket_of,
    database_of,
    empty,
    load_day,
    payloads,
    put,
    query,
    rejects,
)

pytestmark = pytest.mark.integration

_UUIDS = ["6f1c9a52-7f0e-4f4e-9d53-0d6c1f2b3a4d", "00000000-0000-4000-8000-000000000001"]
_MOMENTS = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000001Z",
    "1969-12-31T23:59:59.5-05:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00",
]


class Inner(msgspec.Struct):
    id: int


def keyed(type_: Any, name: str = "key", path: Path | None = None) -> Source:
    """Return a source whose record has one field besides ``n``."""
    contract = msgspec.defstruct("Keyed", [("key", type_, msgspec.field(name=name)), ("n", int, 0)])
    key = (name,) if path is None else (path,)
    return Source(api=API, name="keyed", path="/keyed", contract=contract, key=key)


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_key_types") as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    with psycopg.connect(_database.admin) as connection:
        connection.execute("drop table if exists raw.keyed_rows cascade")
    return _database


@pytest.fixture(scope="module")
def store(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-key-types")


def loaded(store: Store, warehouse: Warehouse, source: Source, records: list[Any]) -> Any:
    with psycopg.connect(warehouse.admin) as connection:
        ensure_raw(connection, source)
    put(store, array(records), key=raw_key(source.name, DAY))
    return load_day(store, warehouse, source=source, settings=RunSettings(max_reject_share=0.5))


of_every_type = pytest.mark.parametrize(
    ("source", "values"),
    [
        (keyed(int), [3, 1, 2, -(2**63), 2**63 - 1]),
        (keyed(str), ["b", "a", "", "é\n", "0"]),
        (keyed(uuid.UUID), [*_UUIDS, _UUIDS[0].replace("6f", "7f").upper()]),
        (keyed(date), ["2026-01-31", "1999-12-31", "0001-01-01", "9999-12-31"]),
        (keyed(datetime), _MOMENTS[:5]),
        (keyed(Inner, "properties", "properties.id"), [{"id": 2}, {"id": 1}]),
        (keyed(str, "@id"), ["x", "y"]),
        (keyed(str, "a.b", ("a.b",)), ["x", "y"]),
    ],
    ids=["int", "text", "uuid", "date", "timestamp", "nested", "renamed", "with a dot"],
)


@of_every_type
def test_a_key_is_a_typed_column(
    store: Store, warehouse: Warehouse, source: Source, values: list[Any]
) -> None:
    [field] = source.key_fields
    records = [{field.parts[0]: value, "n": n} for n, value in enumerate(values)]
    result = loaded(store, warehouse, source, records)
    assert (result.loaded, result.rejected) == (len(values), 0)
    column = sql.SQL(
        "select array_agg({} order by position) = %s::{}[], array_agg(n) from raw.keyed"
    )
    expected = [value["id"] if isinstance(value, dict) else value for value in values]
    statement = column.format(sql.Identifier(field.name), sql.SQL(field.type))
    assert query(warehouse, statement, expected) == [(True, list(range(len(values))))]


@of_every_type
def test_a_rejected_record_has_the_same_key_as_its_row(
    store: Store,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    source: Source,
    values: list[Any],
) -> None:
    monkeypatch.setattr(raw_tables, "SOURCES", {"keyed": source})
    name = source.key_fields[0].parts[0]
    records = [{name: value, "n": n} for n, value in enumerate(values)]
    loaded(store, warehouse, source, records)
    with psycopg.connect(warehouse.admin) as connection:
        raw_tables.create_record_keys(connection)
    put(store, array([*({**r, "n": "text"} for r in records), {"n": 1}]), key=raw_key("keyed", DAY))
    result = load_day(store, warehouse, source=source, settings=RunSettings(max_reject_share=1.0))
    assert (result.loaded, result.rejected) == (0, len(values) + 1)
    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        of_rows = connection.execute("select record_key from ops.record_keys").fetchall()
    of_rejects = query(warehouse, "select record_key::text from ops.rejects")
    assert sorted(of_rejects) == sorted([*of_rows, ("{}",)])
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("update ops.rejects set record_key = null")
        assert read_missing_keys(connection, source) == len(of_rejects)
    assert query(warehouse, "select record_key::text from ops.rejects") == of_rejects


@pytest.mark.parametrize("number", [str(2**63), str(-(2**63) - 1), "9" * 5000], ids=len)
def test_a_key_inside_a_field_that_does_not_fit_is_rejected(
    store: Store, warehouse: Warehouse, number: str
) -> None:
    source = keyed(Inner, "properties", "properties.id")
    records = [b'{"properties": {"id": %b}}' % text.encode() for text in ("1", number, "2")]
    result = loaded(store, warehouse, source, records)
    assert (result.loaded, result.rejected) == (2, 1)
    assert "out of range" in rejects(warehouse)[0][2]


def test_a_moment_without_zone_is_utc(store: Store, warehouse: Warehouse) -> None:
    loaded(store, warehouse, keyed(datetime), [{"key": _MOMENTS[5]}])
    statement = "select key = timestamptz '2026-01-01T00:00:00Z' from raw.keyed"
    assert query(warehouse, statement) == [(True,)]


def test_a_key_that_occurs_twice_is_found_for_every_type(
    store: Store, warehouse: Warehouse
) -> None:
    records = [{"key": _MOMENTS[at], "n": n} for n, at in enumerate((0, 2, 5, 3))]
    result = loaded(store, warehouse, keyed(datetime), records)
    assert (result.loaded, result.rejected) == (2, 2), "one moment with and without its zone"


def test_without_a_key_every_record_stays(store: Store, warehouse: Warehouse) -> None:
    source = replace(keyed(str), key=None)
    records = [{"key": "same", "n": 1}, {"key": "same", "n": 1}, {"key": "same", "n": 2}]
    result = loaded(store, warehouse, source, records)
    assert (result.loaded, result.rejected) == (3, 0)
    assert payloads(warehouse, "keyed") == records


def test_the_last_of_several_versions_stays_if_that_is_declared(
    store: Store, warehouse: Warehouse
) -> None:
    """An edit between the requests of two pages brings a record twice."""
    first, other, last = {"key": "a", "n": 1}, {"key": "b", "n": 1}, {"key": "a", "n": 2}
    source = replace(keyed(str), on_duplicate="last")
    result = loaded(store, warehouse, source, [first, first, other, first, last])
    assert (result.outcome, result.received, result.loaded, result.rejected) == ("loaded", 5, 2, 3)
    assert payloads(warehouse, "keyed") == [other, last]
    assert [position for position, *_ in rejects(warehouse)] == [0, 1, 3]


@pytest.mark.parametrize(
    ("source", "held", "asked"),
    [
        (keyed(uuid.UUID), _UUIDS[0].upper(), _UUIDS[0].upper()),
        (keyed(datetime), _MOMENTS[2], _MOMENTS[2]),
        (keyed(date), "2026-01-31", "2026-01-31"),
        (keyed(Inner, "properties", "properties.id"), {"id": 7}, "7"),
        (keyed(str, "@id"), "x", "x"),
    ],
    ids=["uuid", "timestamp", "date", "nested", "renamed"],
)
def test_a_record_is_erased_by_its_key(
    store: Store, warehouse: Warehouse, source: Source, held: Any, asked: str
) -> None:
    [field] = source.key_fields
    loaded(store, warehouse, source, [{field.parts[0]: held, "n": 1}])
    with psycopg.connect(warehouse.loader, autocommit=True) as connection:
        assert delete_records(connection, Wanted.of_key(source, "no such key")) == (0, 0)
        assert delete_records(connection, Wanted.of_key(source, asked)) == (1, 0)
    removed = remove_records(
        store, raw_key("keyed", DAY), Wanted.of_key(source, asked), max_record_bytes=1000
    )
    assert removed.records == 1
