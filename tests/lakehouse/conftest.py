"""Delta tables in a local folder, with the packages of ``.tools/lakehouse``."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.ministack import MiniStack
from local.postgres import PostgresServer
from scripts.landing.store import Store
from sources import Source
from tests.conftest import Warehouse
from tests.lakehouse.tables import ensure, lake_rows, load_body, outcome, postgres_rows
from tests.loading import KEY, bucket_of, database_of, empty
from tests.tools import unavailable

_TOOLS = Path(__file__).parents[2] / ".tools" / "lakehouse"


@pytest.fixture(scope="session", autouse=True)
def _packages() -> None:
    """Let this process and its children import the packages, behind those of the pipeline."""
    for folder in _TOOLS.glob("lib/python*/site-packages"):
        sys.path.append(str(folder))
        os.environ["PYTHONPATH"] = str(folder)
        return
    unavailable("the packages of a lakehouse are missing: run `make .tools/lakehouse/.installed`")


@pytest.fixture
def lakehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The root of Delta tables, and the setting that chooses them."""
    root = str(tmp_path / "lakehouse")
    monkeypatch.setenv("PIPELINE_WAREHOUSE", "delta")
    monkeypatch.setenv("PIPELINE_LAKEHOUSE_ROOT", root)
    return root


@pytest.fixture(scope="session")
def _database(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    with database_of(postgres, _migrated_template, "test_lakehouse") as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def _bucket(ministack: MiniStack) -> Store:
    return bucket_of(ministack, "test-lakehouse")


@pytest.fixture
def warehouse(_database: Warehouse) -> Warehouse:
    empty(_database)
    return _database


@pytest.fixture
def store(_bucket: Store) -> Any:
    _bucket.client.delete_object(Bucket=_bucket.bucket, Key=KEY)
    return _bucket


@pytest.fixture
def both(
    store: Store, warehouse: Warehouse, lakehouse: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Load an object into both, and compare everything that the loads leave."""

    def load_both(source: Source, body: bytes, **settings: Any) -> Any:
        monkeypatch.setenv("PIPELINE_WAREHOUSE", "postgres")
        with psycopg.connect(warehouse.admin) as connection:
            connection.execute("drop table if exists raw.things_rows cascade")
        ensure(warehouse, source)
        expected = outcome(warehouse, load_body(store, warehouse, source, body, **settings))
        rows = postgres_rows(warehouse, source)
        empty(warehouse)
        monkeypatch.setenv("PIPELINE_WAREHOUSE", "delta")
        ensure(warehouse, source)
        found = outcome(warehouse, load_body(store, warehouse, source, body, **settings))
        assert found == expected
        assert postgres_rows(warehouse, source) == []
        if found[0].outcome == "loaded":
            assert lake_rows(lakehouse, source) == rows
        return found[0]

    return load_both
