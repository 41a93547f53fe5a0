"""A load into a Delta table ends as the same load into PostgreSQL does."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from scripts.errors import ConfigurationError
from scripts.landing.json_array import Batch
from scripts.landing.store import Store
from scripts.load.contract import CheckedBatch, Contract
from scripts.load.raw_rows import raw_rows
from scripts.load.superseded import clean_up
from sources.declaration import Source
from sources.jsonplaceholder import API, POSTS
from tests.conftest import Warehouse
from tests.integration.load.test_load import LOADED, REJECTED
from tests.integration.load.test_superseded import TAGS, VOTES
from tests.lakehouse.tables import (
    ensure,
    lake_rows,
    load_body,
    table,
)
from tests.loading import SETTINGS, array, empty, post

pytestmark = pytest.mark.lakehouse


class Thing(msgspec.Struct):
    id: datetime
    it: dict[str, Any] = {}


THINGS = Source(api=API, name="things", path="/things", contract=Thing, key=("id",))
_MOMENT = "2026-01-01T00:00:00"
_EQUAL = [b'{"name": "a", "x": {"b": 1.0, "a": 2}}', b'{"x":{"a":2,"b":1},"name":"a"}']


def _no_year(moment: str) -> list[dict[str, Any]]:
    """Return two records whose key has no year of four digits in UTC. Both are surplus."""
    return [{"id": moment, "it": {"a": number}} for number in range(2)]


def test_good_and_bad_records_end_as_in_postgresql(both: Any) -> None:
    records = [post(n) for n in range(200)]
    unusual = [*LOADED.values(), *(bad for bad, *_ in REJECTED.values())]
    result = both(POSTS, array([*records, *unusual, post(1000, extra=[1.50, None], more="é")]))
    assert (result.outcome, result.rejected) == ("loaded", len(REJECTED) + len(LOADED) + 1)


@pytest.mark.parametrize(
    ("source", "records"),
    [
        (POSTS, [post(n % 70, title=str(n // 140)) for n in range(210)]),
        (POSTS, [post(3), post(1), post(2)]),
        (replace(POSTS, on_duplicate="last"), [post(n % 7, title=str(n)) for n in range(90)]),
        (replace(POSTS, key=None), [post(1), post(1), post(2)]),
        (VOTES, [{"poll": "a", "voter": str(n)} for n in range(3)]),
        (VOTES, [{"poll": "ab"[n % 2], "voter": n // 4} for n in range(12)]),
        (TAGS, [*_EQUAL, {"name": "b", "weight": 1}, {"name": "b", "weight": 1.0}]),
        (THINGS, [{"id": _MOMENT}, {"id": f"{_MOMENT}Z", "it": {"a": 1}}, {"id": f"{_MOMENT}.1Z"}]),
        (THINGS, [{"id": _MOMENT}, {"id": "2026-01-01T01:00:00+01:00"}, {"id": f"{_MOMENT}.1Z"}]),
        (THINGS, [*_no_year("0001-01-01T00:00:00+23:59"), {"id": _MOMENT}]),
        (THINGS, [*_no_year("9999-12-31T23:59:59.999999-23:59"), {"id": _MOMENT}]),
    ],
    ids=[
        *("equal and other ones", "no order", "last", "no key", "all rejected"),
        *(
            "a key of two",
            "equal JSON",
            "other moments",
            "equal moments",
            "before year 1",
            "after year 9999",
        ),
    ],
)
def test_records_with_one_key_end_as_in_postgresql(
    both: Any, source: Source, records: list[Any]
) -> None:
    assert both(source, array(records)).outcome == "loaded"


@pytest.mark.parametrize(
    ("body", "settings"),
    [
        (array([post(n % 3) for n in range(400)]), {"max_reject_share": 0.5}),
        (array([post(n % 3) for n in range(400)]), {"max_reject_count": 20}),
        (array([{}, post(1), post(2)]), {"max_reject_share": 0.1}),
        (array([*([{}] * 30), post(1)]), {"max_reject_count": 20}),
        (array([post(1)])[:-3], {}),
        (b"[]", {}),
        (b"<html>", {}),
        (array([post(n) for n in range(5000)])[:-30], {}),
        (array([post(1, title="x" * 1000)]), {"max_object_bytes": 100}),
    ],
)
def test_an_object_is_parked_as_in_postgresql(both: Any, body: bytes, settings: Any) -> None:
    assert both(POSTS, body, **settings).outcome == "parked"


def test_replaced_loads_and_loads_without_a_ledger_row_are_cleaned_up(
    store: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    ensure(warehouse, POSTS)
    for title in "ab":
        load_body(store, warehouse, POSTS, array([post(n, title=title) for n in range(30)]))
    load_body(store, warehouse, POSTS, array([post(n % 3) for n in range(40)]), max_reject_share=0)
    assert table(lakehouse).loads() == {1: 30, 2: 30, 3: 40}, "the third one was parked"

    assert clean_up(warehouse.loader, POSTS, SETTINGS, [1]) == 40
    assert table(lakehouse).loads() == {1: 30, 2: 30}
    assert clean_up(warehouse.loader, POSTS, SETTINGS, []) == 30
    assert table(lakehouse).loads() == {2: 30}


def test_rows_of_a_load_in_progress_are_not_cleaned_up(
    store: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    ensure(warehouse, POSTS)
    with psycopg.connect(warehouse.loader) as connection:
        rows = raw_rows(connection, POSTS)
        rows.check()
        rows.append(7, [])
        rows.append(8, [_batch(post(1))])
        assert clean_up(warehouse.loader, POSTS, SETTINGS, []) == 0
        assert table(lakehouse).loads() == {8: 1}
        connection.rollback()
        assert clean_up(warehouse.loader, POSTS, SETTINGS, []) == 1
    assert load_body(store, warehouse, POSTS, array([post(1)])).outcome == "loaded"


@pytest.mark.usefixtures("lakehouse")
def test_rows_that_another_ledger_has_counted_are_not_mixed_with_ours(
    store: Store, warehouse: Warehouse
) -> None:
    ensure(warehouse, POSTS)
    load_body(store, warehouse, POSTS, array([post(1)]))
    empty(warehouse)
    with pytest.raises(ConfigurationError, match="another ledger"):
        load_body(store, warehouse, POSTS, array([post(1)]))


@pytest.mark.usefixtures("lakehouse")
def test_a_missing_table_names_the_command(store: Store, warehouse: Warehouse) -> None:
    with pytest.raises(ConfigurationError, match=r"no Delta table .*python -m scripts\.migrate"):
        load_body(store, warehouse, POSTS, array([post(1)]))


def test_a_new_field_adds_a_column_and_any_other_change_names_the_command(
    store: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("drop table if exists raw.things_rows cascade")

    def things(**fields: Any) -> Source:
        contract = msgspec.defstruct("Thing", [("id", int), *fields.items()], kw_only=True)
        return Source(api=API, name="things", path="/things", contract=contract)

    first = things(a=(str | None))
    ensure(warehouse, first)
    load_body(store, warehouse, first, b'[{"id": 1, "a": "x"}]')
    second = things(b=(int | None), a=(str | None))
    with pytest.raises(ConfigurationError, match=r"things expects .*: run .*migrate"):
        load_body(store, warehouse, second, b'[{"id": 1, "a": "y", "b": 2}]')
    ensure(warehouse, second)
    load_body(store, warehouse, second, b'[{"id": 1, "a": "y", "b": 2, "c": 5}]')
    assert [(row["a"], row["b"]) for row in lake_rows(lakehouse, second)] == [("x", None), ("y", 2)]
    for other in (
        things(a=(str | None)),  # the column would leave
        things(a=(int | None), b=(int | None)),  # another type
        things(a=(str | None), b=(int | None), c=(int | None)),  # rows have it in extra
    ):
        with pytest.raises(ConfigurationError, match=r"scripts\.rebuild --source things"):
            ensure(warehouse, other)
    with psycopg.connect(warehouse.admin, autocommit=True) as connection:
        raw_rows(connection, other).recreate()
    result = load_body(store, warehouse, other, b'[{"id": 1, "a": "y", "b": 2, "c": 5}]')
    assert (result.outcome, table(lakehouse, "things").loads()) == ("loaded", {result.load_id: 1})


def test_the_log_of_the_table_has_no_value_of_a_row(
    store: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    ensure(warehouse, POSTS)
    load_body(store, warehouse, POSTS, array([post(n, title="secret") for n in (2, 1, 1)]))
    log = Path(lakehouse, "raw", "posts_rows", "_delta_log")
    assert not any(b"secret" in file.read_bytes() for file in log.iterdir() if file.is_file())


def _batch(record: Any) -> tuple[Batch, CheckedBatch]:
    text = msgspec.json.encode([record])
    batch = Batch(0, 1, text, msgspec.json.decode(text, type=list[msgspec.Raw]))
    return batch, Contract(POSTS).check(batch)
