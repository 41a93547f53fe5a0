"""One Delta table: all or nothing, and on S3 with the credentials that AWS's variables name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.errors import InvalidDataError, UnavailableError
from scripts.landing.store import Store
from scripts.load.superseded import clean_up
from scripts.warehouse.lakehouse import LoadTable, library
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.lakehouse.bucket import use_bucket
from tests.lakehouse.tables import ensure, load_body, table
from tests.loading import SETTINGS, array, post

pytestmark = pytest.mark.lakehouse


@pytest.fixture
def schema() -> Any:
    arrow = library("pyarrow")
    names = ("load_id", "position")
    return arrow.schema([arrow.field(name, arrow.int64(), nullable=False) for name in names])


def rows(schema: Any, load_id: int, count: int) -> Any:
    columns = {"load_id": [load_id] * count, "position": list(range(count))}
    return library("pyarrow").RecordBatch.from_pydict(columns, schema=schema)


def test_rows_come_and_go_by_load(tmp_path: Path, schema: Any) -> None:
    lake = LoadTable(f"{tmp_path}/rows")
    assert lake.schema() is None
    lake.create(schema)
    assert lake.schema() == schema
    lake.append(1, schema, [rows(schema, 1, 3), rows(schema, 1, 2)])
    lake.append(2, schema, [rows(schema, 2, 4)])
    assert lake.loads() == {1: 5, 2: 4}
    lake.rewrite(1, schema, lambda batch: batch.slice(0, 1).select(schema.names).cast(schema))
    assert lake.loads() == {1: 1, 2: 4}
    assert lake.delete([2, 3]) == 4
    assert lake.delete([]) == 0
    assert lake.loads() == {1: 1}
    lake.vacuum(hours=0)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_an_error_of_the_rows_adds_none_and_arrives_as_it_is(tmp_path: Path, schema: Any) -> None:
    def broken() -> Iterator[Any]:
        yield rows(schema, 1, 3)
        raise InvalidDataError("record 3 is broken")

    lake = LoadTable(f"{tmp_path}/rows")
    lake.create(schema)
    with pytest.raises(InvalidDataError, match=r"^record 3 is broken$"):
        lake.append(1, schema, broken())
    assert lake.loads() == {}


def test_a_load_may_be_written_while_another_one_is_deleted(tmp_path: Path, schema: Any) -> None:
    lake = LoadTable(f"{tmp_path}/rows")
    lake.create(schema)
    lake.append(1, schema, [rows(schema, 1, 3)])

    def slow() -> Iterator[Any]:
        yield rows(schema, 2, 4)
        assert lake.delete([1]) == 3
        lake.vacuum()

    lake.append(2, schema, slow())
    assert lake.loads() == {2: 4}


def test_a_failure_of_the_store_is_one_line(tmp_path: Path, schema: Any) -> None:
    lake = LoadTable(f"{tmp_path}/rows")
    lake.create(schema)
    log = tmp_path / "rows" / "_delta_log" / "00000000000000000000.json"
    log.write_text("{")
    with pytest.raises(UnavailableError, match=r"^lakehouse .*/rows: ") as raised:
        lake.loads()
    assert "\n" not in str(raised.value)


def test_the_tables_may_be_on_s3(
    store: Store, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"s3://{store.bucket}/lakehouse"
    use_bucket(store, root, monkeypatch)
    ensure(warehouse, POSTS)
    for count in (30, 20):
        load_body(store, warehouse, POSTS, array([post(n % 11) for n in range(count)]))
    current = {2: 11}
    assert table(root).loads() == {1: 11} | current
    clean_up(warehouse.loader, POSTS, SETTINGS, [])
    assert table(root).loads() == current
    table(root).vacuum(hours=0)
    kept = [info.key for info in store.list("lakehouse/") if info.key.endswith(".parquet")]
    assert len(kept) == 1
