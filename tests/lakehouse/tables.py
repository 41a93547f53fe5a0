"""Helpers for the lakehouse tests: create a source's tables, and read rows from either place."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.attempt import LoadResult
from scripts.load.raw_rows import raw_rows
from scripts.settings import RunSettings
from scripts.warehouse.lakehouse import LoadTable, library
from sources import Source
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.documents import ROOT
from tests.loading import DAY, load_day, put, query

_REJECTS = """
    select position, byte_start, byte_end, field, reason, record, record_bytes, record_sha256,
        record_key::text
    from ops.rejects order by load_id, position
"""
_LEDGER = """
    select load_id, day, key, sha256, state, reason, received, loaded, rejected, new_fields,
        is_current
    from ops.loads order by load_id
"""
Row = dict[str, Any]
MARTS = sorted(path.stem for path in (ROOT / "dbt" / "models" / "marts").glob("*.sql"))


def ensure(warehouse: Warehouse, source: Source) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        raw_rows(connection, source).ensure()


def load_body(
    store: Store, warehouse: Warehouse, source: Source, body: bytes, **settings: Any
) -> LoadResult:
    put(store, body, key=raw_key(source.name, DAY))
    chosen = RunSettings(**{"max_reject_share": 1, **settings})
    return load_day(store, warehouse, source=source, settings=chosen)


def outcome(warehouse: Warehouse, result: LoadResult) -> tuple[Any, ...]:
    """Return everything that a load leaves except its rows."""
    return replace(result, seconds=0), query(warehouse, _LEDGER), query(warehouse, _REJECTS)


def table(root: str, name: str = "posts") -> LoadTable:
    return LoadTable(f"{root}/raw/{name}_rows")


def lake_rows(root: str, source: Source) -> list[Row]:
    """Return every row of the Delta table, with its values as plain Python ones."""
    deltalake = library("deltalake")
    found = library("pyarrow").table(
        deltalake.QueryBuilder()
        .register("t", deltalake.DeltaTable(f"{root}/raw/{source.name}_rows"))
        .execute("select * from t order by load_id, position")
        .read_all()
    )
    kinds = {column.name: column.type for column in source.columns} | {"extra": "jsonb"}
    return [
        {name: _plain(value, kinds.get(name, "")) for name, value in row.items()}
        for row in found.to_pylist()
    ]


def postgres_rows(warehouse: Warehouse, source: Source) -> list[Row]:
    """Return every row of the table in PostgreSQL."""
    statement = sql.SQL("select {} from {} order by load_id, position")
    names = ["load_id", "position", *(c.name for c in source.columns), "extra"]
    kinds = {column.name: column.type for column in source.columns} | {"extra": "jsonb"}
    columns = [
        sql.SQL("{}::text" if kinds.get(n) in ("jsonb", "numeric", "uuid") else "{}").format(
            sql.Identifier(n)
        )
        for n in names
    ]
    rows = query(
        warehouse,
        statement.format(sql.SQL(", ").join(columns), sql.Identifier("raw", f"{source.name}_rows")),
    )
    return [
        {n: _plain(value, kinds.get(n, "")) for n, value in zip(names, row, strict=True)}
        for row in rows
    ]


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    match kind:
        case "jsonb":
            return json.loads(value, parse_int=Decimal, parse_float=Decimal)
        case "timestamp with time zone":
            assert isinstance(value, datetime)
            return value.astimezone(UTC).isoformat()
        case "date":
            assert isinstance(value, date)
    return value


def current_rows(warehouse: Warehouse, root: str) -> list[Row]:
    """Return the posts that a reader sees: those of the loads that the ledger calls current."""
    current = {n for (n,) in query(warehouse, "select load_id from ops.loads where is_current")}
    names = {column.name: column.parts[0] for column in POSTS.columns}
    return [
        {names[name]: value for name, value in row.items() if name in names}
        for row in lake_rows(root, POSTS)
        if row["load_id"] in current
    ]


def files(root: str, name: str = "posts") -> list[Path]:
    """Return the files of rows that are on the disk."""
    return list(Path(root, "raw", f"{name}_rows").rglob("*.parquet"))


def shown(root: str) -> dict[str, list[Row]]:
    """Return the rows of each mart that readers see, without an engine: as the views join them."""
    deltalake = library("deltalake")

    def rows(name: str) -> list[Row]:
        return list(deltalake.DeltaTable(f"{root}/published/{name}").to_pyarrow_table().to_pylist())

    if not Path(root, "published", "current").exists():
        return {}
    [current] = rows("current")
    return {
        mart: sorted((r for r in rows(mart) if r["publish_id"] == current["publish_id"]), key=repr)
        for mart in MARTS
    }


def same(found: dict[str, list[Row]], expected: dict[str, list[Row]]) -> bool:
    """Return whether two publishes show the same."""

    def cells(marts: dict[str, list[Row]]) -> list[str]:
        return sorted(
            repr((mart, {**row, "publish_id": ""})) for mart, rows in marts.items() for row in rows
        )

    return cells(found) == cells(expected)
