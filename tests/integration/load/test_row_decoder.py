"""Values of every type end in columns as PostgreSQL itself would read them from the record."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from secrets import token_urlsafe
from typing import Annotated, Any, Literal, NewType

import msgspec
import psycopg
import pytest
from psycopg import sql

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.raw_tables import ensure_raw
from scripts.settings import RunSettings
from sources.declaration import Source
from sources.jsonplaceholder import API
from tests.conftest import Warehouse
from tests.loading import DAY, array, bucket_of, database_of, empty, load_day, put, query, rejects

pytestmark = pytest.mark.integration

_DECIMALS = ["0", "-0.00", "1.50", "12345678.9", "0.0001", "-99990000", "1e20", "1.5e-9", "10000"]
_DECIMALS += ["123456789012345678901234567890.000000000123", '"1e131071"', "1e-16383"]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct):
    size: int


Number = NewType("Number", int)


def thing(type_: Any, default: Any = msgspec.NODEFAULT) -> Source:
    """Return a source whose record has one field ``the value``, and the key ``id``."""
    field = msgspec.field(name="the value", default=default)
    contract = msgspec.defstruct("Thing", [("id", int), ("it", type_, field)], kw_only=True)
    return Source(api=API, name="things", path="/things", contract=contract)


@pytest.fixture(scope="module")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_columns") as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    with psycopg.connect(_database.admin) as connection:
        connection.execute("drop table if exists raw.things_rows cascade")
    return _database


@pytest.fixture(scope="module")
def store(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-columns")


def load_things(store: Store, warehouse: Warehouse, source: Source, texts: list[str]) -> Any:
    """Load a record for each value, given as JSON. An empty one is absent."""
    with psycopg.connect(warehouse.admin) as connection:
        ensure_raw(connection, source)
    records = [
        f'{{"id": {n}, "the value": {text}}}' if text else f'{{"id": {n}}}'
        for n, text in enumerate(texts)
    ]
    put(store, array(record.encode() for record in records), key=raw_key("things", DAY))
    return load_day(store, warehouse, source=source, settings=RunSettings(max_reject_share=1))


@pytest.mark.parametrize(
    ("type_", "column", "texts"),
    [
        (int, "bigint", ["0", "-1", str(2**63 - 1), str(-(2**63))]),
        (Number, "bigint", ["7"]),
        (float, "float8", ["0", "1.5", "1e308", "5e-324", "0.1", "12345678901234567"]),
        (int | float | None, "float8", ["1", "1.5", str(2**70), "null"]),
        (Decimal, "numeric", _DECIMALS),
        (Decimal | None, "numeric", ['"-1.10"', '"NaN"', '"Infinity"', '"-Infinity"', "null"]),
        (bool, "boolean", ["true", "false"]),
        (bool | None, "boolean", ["true", "null"]),
        (str, "text", ['""', '"a"', r'"\u00e9\n"', '"😀"', '"null"']),
        (str | None, "text", ['"a"', "null", '""']),
        (Literal["a", "b"], "text", ['"a"', '"b"']),
        (Colour, "text", ['"red"', '"blue"']),
        (uuid.UUID, "uuid", ['"6f1c9a52-7f0e-4f4e-9d53-0d6c1f2b3a4d"']),
        (date | None, "date", ['"0001-01-01"', '"9999-12-31"', '"2026-02-28"', "null"]),
        (datetime, "timestamptz", ['"2026-01-01T00:00:00.000001+05:30"', '"1969-12-31T23:59:59Z"']),
        (Inner, "jsonb", ['{"size": 1, "more": [1.50, null]}']),
        (list[Inner], "jsonb", ["[]", '[{"size": 1}]']),
        (dict[str, Any], "jsonb", ["{}", '{"b": 1e-16383, "a": {"b": "\\u00e9"}}']),
        (Any, "jsonb", ["1", '"x"', "null", "false", "9" * 5000]),
    ],
    ids=str,
)
def test_a_value_is_what_postgresql_reads_from_its_text(
    store: Store, warehouse: Warehouse, type_: Any, column: str, texts: list[str]
) -> None:
    result = load_things(store, warehouse, thing(type_), texts)

    assert (result.loaded, rejects(warehouse)) == (len(texts), [])
    of_text = "(%s::jsonb #>> '{{}}')::{}" if column != "jsonb" else "nullif(%s::jsonb, 'null')"
    value = sql.SQL(of_text).format(sql.SQL(column))
    statement = sql.SQL(
        "select the_value::text, ({})::text from raw.things where position = %s"
    ).format(value)
    found = [query(warehouse, statement, text, n)[0] for n, text in enumerate(texts)]
    assert [of_column for of_column, _ in found] == [of_record for _, of_record in found]
    assert [value for value, _ in found] != [None] * len(texts)


@pytest.mark.parametrize(
    ("type_", "text", "reason"),
    [
        (int, str(2**63), "Expected `int` <= 9223372036854775807 - at `$.the value`"),
        (int | None, "9" * 5000, "out of range"),
        (Number, str(2**63), "Expected `int` <= 9223372036854775807"),
        (Annotated[int, msgspec.Meta(ge=1)], "0", "Expected `int` >= 1"),
        (Annotated[int, msgspec.Meta(ge=1)] | None, str(2**63), "Expected `int` <= 92233"),
        (float, "1e400", "number out of range"),
        (float, "1e-20000", "number out of range"),
        (Decimal, "1e131072", "ut of range"),
        (Decimal, '"1e-16384"', "ut of range"),
        (Decimal, '"a"', "ecimal"),
        (bool, "1", "Expected `bool`"),
        (Colour, '"green"', "Invalid enum value"),
        (Inner, '{"size": "1"}', "Expected `int`, got `str` - at `$.the value.size`"),
        (list[Inner], '[{"size": 1}, {}]', "missing required field `size`"),
        (dict[str, Any], '{"a": 1e400}', "number out of range"),
        (Any, "9" * 131_073, "number out of range"),
        (str, "null", "Expected `str`, got `null`"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_rejected_and_the_rest_loads(
    store: Store, warehouse: Warehouse, type_: Any, text: str, reason: str
) -> None:
    good = {Decimal: "2", float: "2", bool: "true", Colour: '"red"', Inner: '{"size": 1}'}
    other = good.get(type_, "2")
    if type_ in (list[Inner], dict[str, Any], str):
        other = {list[Inner]: "[]", dict[str, Any]: "{}", str: '"x"'}[type_]
    result = load_things(store, warehouse, thing(type_), [other, text, other])
    assert (result.loaded, result.rejected) == (2, 1)
    [(position, _, found)] = rejects(warehouse)
    assert position == 1
    assert reason in found


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        (int, 7),
        (str | msgspec.UnsetType, msgspec.UNSET),
        (Inner | None, None),
        (Colour, Colour.RED),
    ],
    ids=str,
)
def test_an_absent_field_is_null_whatever_its_default(
    store: Store, warehouse: Warehouse, type_: Any, default: Any
) -> None:
    result = load_things(store, warehouse, thing(type_, default), ["", ""])
    assert result.loaded == 2
    assert query(warehouse, "select the_value, extra from raw.things") == [(None, None)] * 2


def test_fields_outside_the_contract_stay_as_they_are(store: Store, warehouse: Warehouse) -> None:
    """In the batch in which the first one occurs, and in later ones."""
    source = thing(int)
    with psycopg.connect(warehouse.admin) as connection:
        ensure_raw(connection, source)
    extras: list[dict[str, Any]] = [{}, {"day": None}, {}, {"load_id": [1.5], 'é"': {"a": 1}}]
    records = [{"id": n, "the value": 1, **extras[n % 4]} for n in range(40_000)]
    put(store, array(records), key=raw_key("things", DAY))
    result = load_day(store, warehouse, source=source)
    assert (result.loaded, result.rejected) == (40_000, 0)
    found = query(
        warehouse, "select mod(id, 4), count(*), extra from raw.things group by 1, 3 order by 1"
    )
    assert found == [(n, 10_000, extra or None) for n, extra in enumerate(extras)]
    names = query(warehouse, "select new_fields from ops.loads")
    assert names == [(["day", "load_id", 'é"'],)]


def test_a_contract_that_checks_itself_is_asked(store: Store, warehouse: Warehouse) -> None:
    class Even(msgspec.Struct):
        id: int
        it: int = msgspec.field(name="the value")

        def __post_init__(self) -> None:
            if self.it % 2:
                raise ValueError(f"{self.it} is odd")

    result = load_things(store, warehouse, replace(thing(int), contract=Even), ["2", "3", "4"])
    assert (result.loaded, rejects(warehouse)) == (2, [(1, None, "3 is odd")])


def test_a_contract_of_three_hundred_fields_is_a_table(store: Store, warehouse: Warehouse) -> None:
    fields = [("id", int), *((f"field{n}", str | None) for n in range(299))]
    source = replace(thing(int), contract=msgspec.defstruct("Wide", fields))
    with psycopg.connect(warehouse.admin) as connection:
        ensure_raw(connection, source)
    sizes = (1, 20, 23, 24, 25, 3000)
    records = [
        {"id": size, **{f"field{n}": token_urlsafe(size)[:size] for n in range(299)}}
        for size in sizes
    ]
    put(store, array(records), key=raw_key("things", DAY))
    assert load_day(store, warehouse, source=source).loaded == len(sizes)
