"""Helpers for the rebuild and erase tests: dbt's environment and the warehouse's content."""

import hashlib
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from scripts.landing.store import Store
from tests.conftest import Warehouse

_TABLES = """
    select schemaname, tablename from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') order by 1, 2
"""
_STATISTICS = """
    select schemaname || '.' || tablename || '.' || attname from pg_stats
    where most_common_vals::text ~ %s or histogram_bounds::text ~ %s
"""
_KEYS = """
    select quote_ident(attname) from pg_index inner join pg_attribute
        on attrelid = indrelid and attnum = any(indkey)
    where indisprimary and indrelid = %s::regclass order by attnum
"""


def dbt_place(warehouse: Warehouse, state: Path) -> dict[str, str]:
    """Return the variables of dbt/profiles.yml and of dbt's cache folder."""
    parts = conninfo_to_dict(warehouse.transformer)
    names = ("host", "port", "user", "password", "dbname")
    return {f"DBT_{n.upper()}": str(parts[n]) for n in names} | {"DBT_TARGET_PATH": str(state)}


def tables(warehouse: Warehouse) -> list[sql.Identifier]:
    with psycopg.connect(warehouse.admin) as connection:
        return [sql.Identifier(*row) for row in connection.execute(_TABLES)]


def marts(warehouse: Warehouse) -> dict[str, str]:
    """Return the sha256 of each mart's rows, as COPY writes them in the order of their key."""
    found = {}
    with psycopg.connect(warehouse.transformer) as connection:
        for (name,) in connection.execute(
            "select tablename from pg_tables where schemaname = 'marts' order by 1"
        ).fetchall():
            keys = [k for (k,) in connection.execute(_KEYS, (f"marts.{name}",))]
            query = sql.SQL("copy (select * from {} order by {}) to stdout").format(
                sql.Identifier("marts", name), sql.SQL(", ".join(keys))
            )
            with connection.cursor().copy(query) as copy:
                found[name] = hashlib.sha256(b"".join(map(bytes, copy))).hexdigest()
    return found


def traces(warehouse: Warehouse, store: Store, marker: str) -> list[str]:
    """Return every table, every statistic and every object version that contains a text."""
    found = []
    with psycopg.connect(warehouse.admin) as connection:
        for table in tables(warehouse):
            text = sql.SQL("select count(*) from {} as t where t::text ~ {}").format(
                table, sql.Literal(f"{marker}|{marker.encode().hex()}")
            )
            if connection.execute(text).fetchone() != (0,):
                found.append(table.as_string())
        pattern = f"{marker}|{marker.encode().hex()}"
        found += [
            f"pg_stats of {place}" for (place,) in connection.execute(_STATISTICS, [pattern] * 2)
        ]
    for version in store.versions(""):
        if not version.is_marker:
            opened = store.open(version.key, version.version_id)
            assert opened
            if marker.encode() in b"".join(opened.blocks()):
                found.append(f"{version.key} {version.version_id}")
    return found


def count(warehouse: Warehouse, statement: str) -> Any:
    with psycopg.connect(warehouse.transformer) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None
