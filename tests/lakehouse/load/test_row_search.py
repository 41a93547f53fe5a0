"""A record is found in a Delta table by its key and by what it refers to, as in PostgreSQL."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from scripts.erase.from_warehouse import delete_records
from scripts.erase.wanted import Wanted
from scripts.landing.store import Store
from scripts.load.raw_rows import raw_rows
from sources.declaration import Source
from sources.jsonplaceholder import API
from tests.conftest import Warehouse
from tests.lakehouse.tables import ensure, load_body
from tests.loading import array, empty

pytestmark = pytest.mark.lakehouse

_UUID = "6f1c9a52-7f0e-4f4e-9d53-0d6c1f2b3a4d"


class Inner(msgspec.Struct):
    id: int


class Thing(msgspec.Struct):
    id: int
    text: str | None = None
    number: float | None = None
    uuid: UUID | None = None
    day: date | None = None
    moment: datetime | None = None
    inner: dict[str, Any] = {}
    any: Any = None


def _keyed(type_: Any, *key: Any) -> Source:
    contract = msgspec.defstruct("Keyed", [("key", type_)])
    return Source(api=API, name="things", path="/things", contract=contract, key=key or ("key",))


@pytest.fixture
def in_each(
    store: Store, warehouse: Warehouse, lakehouse: str, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Load records into each warehouse, and return what each answers to a question."""
    assert lakehouse

    def answers(source: Source, records: list[Any], ask: Any) -> list[Any]:
        found = []
        for kind in ("postgres", "delta"):
            monkeypatch.setenv("PIPELINE_WAREHOUSE", kind)
            with psycopg.connect(warehouse.admin) as connection:
                connection.execute("drop table if exists raw.things_rows cascade")
            ensure(warehouse, source)
            empty(warehouse)
            assert load_body(store, warehouse, source, array(records)).rejected == 0
            with psycopg.connect(warehouse.loader, autocommit=True) as connection:
                found.append(ask(connection))
        return found

    return answers


@pytest.mark.parametrize(
    ("source", "values", "asked"),
    [
        (_keyed(int), [7, 70, -7], "7"),
        (_keyed(int), [7, 70], "07"),
        (_keyed(str), ["x", "X", "'", "é"], "'"),
        (_keyed(UUID), [_UUID.upper(), str(UUID(int=1))], _UUID),
        (_keyed(UUID), [_UUID], _UUID.upper()),
        (_keyed(UUID), [_UUID], "no such key"),
        (_keyed(date), ["2026-01-31", "2026-01-30"], "2026-01-31"),
        (_keyed(datetime), ["2026-01-01T00:00:00Z"], "2026-01-01T01:00:00+01:00"),
        (_keyed(datetime), ["0001-01-01T00:00:00+01:00", "2026-01-01T00:00:00Z"], "7"),
        (_keyed(Inner, "key.id"), [{"id": 7}, {"id": 8}], "7"),
    ],
    ids=str,
)
def test_a_record_is_erased_by_its_key(
    in_each: Any, source: Source, values: list[Any], asked: str
) -> None:
    wanted = Wanted.of_key(source, asked)
    of_postgres, of_delta = in_each(
        source,
        [{"key": value} for value in values],
        lambda connection: delete_records(connection, wanted),
    )
    assert of_delta == of_postgres


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("id",), "2"),
        (("text",), "7"),
        (("number",), "2.5"),
        (("uuid",), _UUID),
        (("day",), "2026-01-31"),
        (("moment",), "2026-01-01T00:00:00+00:00"),
        (("inner", "id"), "7"),
        (("inner", "id", "id"), "7"),
        (("any",), "7"),
        (("more", "id"), "7"),
        (("nothing",), "7"),
    ],
    ids=str,
)
def test_a_record_is_found_and_erased_by_what_it_refers_to(
    in_each: Any, place: tuple[str, ...], value: str
) -> None:
    source = Source(api=API, name="things", path="/things", contract=Thing)
    records = [
        {"id": 1},
        {"id": 2, "text": "7", "number": 2.5, "uuid": _UUID, "day": "2026-01-31"},
        {"id": 3, "moment": "2026-01-01T00:00:00Z", "inner": {"id": 7}, "any": "7"},
        {"id": 4, "more": {"id": 7}, "any": 7},
        {"id": 5, "inner": {"id": {"id": "7"}}, "more": 7, "any": {"id": 7}},
        {"id": 6, "inner": {"id": 70}, "any": [7], "text": "77"},
    ]
    references = {place: frozenset({value})}

    def ask(connection: psycopg.Connection) -> Any:
        found = raw_rows(connection, source).keys_of(references)
        erased = delete_records(connection, Wanted(source, frozenset(), references))
        return found, erased, raw_rows(connection, source).keys_of(references)

    of_postgres, of_delta = in_each(source, records, ask)
    assert of_delta == of_postgres
    assert of_delta[2] == set()
    assert len(of_delta[0]) == of_delta[1][0] == (0 if place == ("nothing",) else len(of_delta[0]))
