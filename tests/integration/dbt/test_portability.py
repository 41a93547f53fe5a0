"""Portability: the same raw rows and models give the same marts on DuckDB as on PostgreSQL."""

import json
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg
import pytest
from psycopg import sql

from local.sample_data import Sample
from local.sample_earthquakes import Earthquakes
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.settings import RunSettings
from sources import SOURCES, Source
from tests.conftest import Warehouse
from tests.integration.dbt.support import PROJECT, Dbt

pytestmark = pytest.mark.integration

_MARTS = sorted(path.stem for path in (PROJECT / "models" / "marts").glob("*.sql"))
_DAYS = {
    date(2026, 1, 1): Sample(30, seed=1),
    date(2026, 1, 2): Sample(30, seed=1, edited={3: {"title": "edited\n\u2028 😀"}}, deleted=[5]),
    date(2026, 1, 4): Sample(33, seed=1, edited={4: {"title": 7}}),  # breaks the contract
}
_LEDGER = (
    "load_id bigint, source varchar, day date, day_kind varchar, sha256 varchar, received bigint,"
    " loaded bigint, rejected bigint, is_current boolean, published_at timestamptz"
)
_REJECTS = "load_id bigint, position bigint, record_key varchar"
_RECORD_KEYS = "load_id bigint, position bigint, record_key varchar"
_PROFILE = """
elt:
  target: duckdb
  outputs:
    duckdb: {{type: duckdb, path: "{file}", schema: build, threads: 1}}
"""


def test_the_marts_are_the_same_on_another_database(
    store: Store, warehouse: Warehouse, tmp_path: Path
) -> None:
    for day, sample in _DAYS.items():
        for source in SOURCES.values():
            records = _records(source, day, sample)
            store.client.put_object(
                Bucket=store.bucket,
                Key=raw_key(source.name, day),
                Body=msgspec.json.encode(records),
            )
            result = load(source, day, store, warehouse.loader, RunSettings())
            assert result.outcome == "loaded"
    Dbt(warehouse, tmp_path).run()
    file = tmp_path / "elt.duckdb"
    _copy_raw(warehouse, file)
    # A unit test of an incremental model needs its table, so the unit tests come second.
    _dbt(tmp_path, file, "build", "--exclude-resource-type", "unit_test")
    _dbt(tmp_path, file, "test", "--select", "test_type:unit")

    with (
        duckdb.connect(str(file), read_only=True) as connection,
        psycopg.connect(warehouse.transformer) as postgres,
    ):
        for mart in _MARTS:
            found = _sorted(connection.execute(f"from build.{mart}").fetchall())
            assert found
            table = sql.Identifier("build", mart)
            expected = postgres.execute(sql.SQL("select * from {}").format(table)).fetchall()
            assert found == _sorted(expected), mart


def _records(source: Source, day: date, sample: Sample) -> list[Any]:
    if source.name == "earthquakes":
        return Earthquakes(seed=1).of_day(day)
    return [sample.record(source.name, n) for n in sample.ids(source.name)]


def _copy_raw(warehouse: Warehouse, file: Path) -> None:
    """Copy the raw tables and the ledger into a new DuckDB file."""
    tables = {
        ("ops", "loads"): _LEDGER,
        ("ops", "rejects"): _REJECTS,
        ("ops", "record_keys"): _RECORD_KEYS,
    }
    for source in SOURCES.values():
        typed = [f"{c.name} {c.type.replace('jsonb', 'varchar')}" for c in source.columns]
        own = ["load_id bigint", "position bigint", *typed, "extra varchar"]
        tables["raw", f"{source.name}_rows"] = ", ".join(own)
    with duckdb.connect(str(file)) as duck, psycopg.connect(warehouse.transformer) as postgres:
        duck.execute("create schema raw; create schema ops")
        for place, columns in tables.items():
            table = sql.Identifier(*place)
            names = [sql.Identifier(column.split()[0]) for column in columns.split(", ")]
            select = sql.SQL("select {} from {}").format(sql.SQL(", ").join(names), table)
            rows = [tuple(map(_plain, row)) for row in postgres.execute(select)]
            create = sql.SQL("create table {} ({})").format(table, sql.SQL(columns))
            insert = sql.SQL("insert into {} values ({})").format(
                table, sql.SQL(", ").join([sql.SQL("?")] * len(names))
            )
            duck.execute(create.as_string())
            duck.executemany(insert.as_string(), rows)


def _plain(value: Any) -> Any:
    """Return JSON as text, written as jsonb writes it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _dbt(folder: Path, file: Path, *command: str) -> None:
    (folder / "profiles.yml").write_text(_PROFILE.format(file=file))
    place = ["--project-dir", PROJECT, "--profiles-dir", folder, "--target-path", folder / "duck"]
    done = subprocess.run(
        ["dbt", "--quiet", "--log-level-file", "none", *command, *map(str, place)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def _sorted(rows: list[Any]) -> list[Any]:
    return sorted((tuple(row) for row in rows), key=repr)
