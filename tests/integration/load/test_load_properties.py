"""For any records in any chunks, the counts add up and the table holds the records as sent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from local.postgres import PostgresServer
from scripts.landing.store import ObjectHead, ObjectInfo, OpenObject
from scripts.load.attempt import LoadResult
from scripts.load.load import load
from scripts.settings import RunSettings
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import DAY, database_of, empty, ledger, query, rejects, whole_record

pytestmark = pytest.mark.integration
SETTINGS = RunSettings(max_reject_share=1)
SOURCE = replace(POSTS, allows_empty=True)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3),
    max_leaves=5,
)
good = st.fixed_dictionaries(
    {
        "id": st.integers(0, 20),
        "userId": st.integers(-(2**63), 2**63 - 1),
        "title": texts,
        "body": texts,
    },
    optional={"extra": values, "tags": values},
)
bad = st.one_of(
    values,
    st.fixed_dictionaries({"id": st.integers(0, 20), "title": values}),
    st.just({"id": 2**63, "userId": 1, "title": "", "body": ""}),
    st.just({"id": 1, "userId": 1, "title": "\0", "body": ""}),
)
arrays = st.lists(st.one_of(good, good, good, bad), max_size=25)
formats = st.sampled_from(
    [{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False, "indent": "\t"}]
)


@dataclass
class Chunks:
    """A store of one object whose body arrives in chunks of equal size, without S3."""

    body: bytes
    size: int

    def open(self, key: str) -> OpenObject:
        return OpenObject(self._listed(key), None, None, None, body=self)

    def head(self, key: str) -> ObjectHead:
        return ObjectHead(self._listed(key), None, None, None)

    def _listed(self, key: str) -> ObjectInfo:
        self.chunks = (self.body[i : i + self.size] for i in range(0, len(self.body), self.size))
        etag = sha256(self.body).hexdigest()
        return ObjectInfo(key, etag, len(self.body), datetime(2026, 1, 31, tzinfo=UTC))

    def read(self, _: int) -> bytes:
        return next(self.chunks, b"")

    def close(self) -> None:
        self.chunks.close()


@pytest.fixture(scope="module")
def warehouse(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_load_properties") as warehouse:
        yield warehouse


def load_chunks(records: list[Any], warehouse: Warehouse, size: int, **style: Any) -> LoadResult:
    store: Any = Chunks(json.dumps(records, **style).encode(), size)
    return load(SOURCE, DAY, store, warehouse.loader, SETTINGS, again=True)


def exact(value: Any) -> Any:
    """Return the value with exact numbers, and with true distinct from 1, as in jsonb."""
    if isinstance(value, str):
        value = json.loads(value, parse_float=Decimal, parse_int=Decimal)
        return exact([value])[0]
    if isinstance(value, bool):
        return str(value).encode()
    if isinstance(value, list):
        return [exact(item) if not isinstance(item, str) else item for item in value]
    if isinstance(value, dict):
        return {k: exact(v) if not isinstance(v, str) else v for k, v in value.items()}
    return value


def model(records: list[Any]) -> list[Any]:
    """Return the records that must be loaded, computed in the simplest way."""
    valid = [exact(json.dumps(record)) for record in records if is_valid(record)]
    kept: list[Any] = []
    for record in valid:
        group = [other for other in valid if other["id"] == record["id"]]
        if all(other == record for other in group) and record not in kept:
            kept.append(record)
    return kept


def table(warehouse: Warehouse) -> list[Any]:
    statement = sql.SQL("select ({})::text from raw.posts order by position")
    rows = query(warehouse, statement.format(whole_record(warehouse)))
    return [exact(text) for (text,) in rows]


def is_valid(record: Any) -> bool:
    types = {"id": int, "userId": int, "title": str, "body": str}
    return (
        isinstance(record, dict)
        and all(type(record.get(name)) is kind for name, kind in types.items())
        and record["id"] < 2**63
        and "\0" not in record["title"]
    )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(arrays, formats, st.integers(1, 400))
def test_received_is_loaded_and_rejected_and_rows_equal_their_records(
    warehouse: Warehouse, records: list[Any], style: dict[str, Any], size: int
) -> None:
    empty(warehouse)
    result = load_chunks(records, warehouse, size, **style)

    assert result.outcome == "loaded"
    assert result.received == len(records) == result.loaded + result.rejected
    found = table(warehouse)
    assert len(found) == result.loaded
    assert found == model(records)
    assert len(rejects(warehouse)) == result.rejected
    assert ledger(warehouse) == [("loaded", True, result.loaded)]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(arrays, st.data())
def test_order_and_cuts_change_nothing(
    warehouse: Warehouse, records: list[Any], data: st.DataObject
) -> None:
    empty(warehouse)
    load_chunks(records, warehouse, 1 << 20)
    first = table(warehouse)
    shuffled = data.draw(st.permutations(records))
    load_chunks(shuffled, warehouse, data.draw(st.integers(1, 50)), indent=2)
    assert sorted(map(str, table(warehouse))) == sorted(map(str, first))
