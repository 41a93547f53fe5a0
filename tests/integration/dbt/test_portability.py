"""The same objects and models give the same marts on DuckDB as on PostgreSQL."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg
import pytest
from psycopg import sql

from local.duck import copy_landed
from local.sample_data import Sample
from scripts.errors import RefusedError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import RunSettings
from sources import SOURCES
from tests.conftest import Warehouse
from tests.documents import run_readme, set_up_copy
from tests.integration.dbt.support import PROJECT, Dbt
from tests.loading import environment

pytestmark = pytest.mark.integration

_MARTS = sorted(path.stem for path in (PROJECT / "models" / "marts").glob("*.sql"))
_DAYS = {
    date(2026, 1, 1): Sample(30, seed=1),
    date(2026, 1, 2): Sample(30, seed=1, edited={3: {"title": "edited\n\u2028 😀"}}, deleted=[5]),
    date(2026, 1, 4): Sample(33, seed=1, edited={4: {"title": 7}}),  # breaks the contract
}


def test_what_has_landed_gives_the_same_marts(
    store: Store, warehouse: Warehouse, tmp_path: Path
) -> None:
    for day, sample in _DAYS.items():
        for source in SOURCES.values():
            records = [sample.record(source.name, n) for n in sample.ids(source.name)]
            store.client.put_object(
                Bucket=store.bucket,
                Key=raw_key(source.name, day),
                Body=msgspec.json.encode(records),
            )
            result = load(source, day, store, warehouse.loader, RunSettings())
            assert result.outcome == "loaded"
    dbt = Dbt(warehouse, tmp_path)
    dbt.run()
    file = tmp_path / "elt.duckdb"
    place = {"PIPELINE_LOCAL_DIR": str(tmp_path)}

    done = run_readme(
        "make dbt-duckdb", set_up_copy(tmp_path), environment(store, warehouse.loader, **place)
    )

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.endswith(f"91 posts, 460 comments, 10 users in {file}\n")
    with duckdb.connect(str(file), read_only=True) as connection:
        for mart in _MARTS:
            found = _sorted(connection.execute(f"from build.{mart}").fetchall())
            assert found
            with psycopg.connect(warehouse.transformer) as postgres:
                table = sql.Identifier("build", mart)
                wanted = postgres.execute(sql.SQL("select * from {}").format(table)).fetchall()
            assert found == _sorted(wanted), mart


def test_without_anything_landed_it_says_so(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="nothing has landed"):
        copy_landed(store, tmp_path / "elt.duckdb")


def _sorted(rows: list[Any]) -> list[Any]:
    return sorted((tuple(row) for row in rows), key=repr)
