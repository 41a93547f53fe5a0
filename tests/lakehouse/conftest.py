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
from local.sail import PYTHON, Sail, packages, running_sail
from scripts.landing.store import Store
from sources import Source
from tests.conftest import Warehouse
from tests.lakehouse.lake import Lake
from tests.lakehouse.tables import ensure, lake_rows, load_body, outcome, postgres_rows
from tests.loading import KEY, bucket_of, database_of, empty
from tests.tools import unavailable


@pytest.fixture(scope="session", autouse=True)
def _packages() -> None:
    """Let this process and its children import the packages, behind those of the pipeline."""
    folder = packages()
    if not folder:
        unavailable(
            "the packages of a lakehouse are missing: run `make .tools/lakehouse/.installed`"
        )
    sys.path.append(str(folder))
    os.environ["PYTHONPATH"] = str(folder)


@pytest.fixture(scope="session")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sail]:
    """One engine for all tests. A test that kills it starts it again."""
    if not Path(PYTHON).exists():
        unavailable("the engine is missing: run `make .tools/spark/.installed`")
    with running_sail(tmp_path_factory.mktemp("sail")) as server:
        yield server


@pytest.fixture
def lake(
    postgres: PostgresServer,
    _migrated_template: str,
    ministack: MiniStack,
    sail: Sail,
    tmp_path: Path,
) -> Iterator[Lake]:
    """A fresh lakehouse, with a ledger and a landing zone of its own."""
    name = f"test-{tmp_path.name}".replace("_", "-").lower()[:60].strip("-")
    with database_of(postgres, _migrated_template, name) as warehouse:
        yield Lake(warehouse, str(tmp_path / "lake"), sail, bucket_of(ministack, name))


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
    with psycopg.connect(_database.admin) as connection:
        connection.execute("drop table if exists raw.things_rows cascade")  # of the tests' source
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
