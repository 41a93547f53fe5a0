"""Helpers for the loader tests: create objects to load, and query the warehouse."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import sql

from local.ministack import LOGIN, REGION, MiniStack
from local.postgres import PostgresServer
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.attempt import LoadResult
from scripts.load.load import load
from scripts.settings import RunSettings
from sources import Source
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse

DAY = date(2026, 1, 31)
KEY = raw_key("posts", DAY)
SETTINGS = RunSettings(max_reject_share=0.5)
# Where in a record each column's value stands.
_PLACES = """
    select attname, col_description(attrelid, attnum)::jsonb from pg_attribute
    where attrelid = %s::regclass and col_description(attrelid, attnum) is not null
        and not attisdropped
"""


def post(number: int, **changes: Any) -> dict[str, Any]:
    return {"userId": number % 10, "id": number, "title": f"t{number}", "body": "b\nb", **changes}


def array(records: Iterable[Any]) -> bytes:
    """Return a JSON array with one record per line. A record of type bytes stays unchanged."""
    lines = (r if isinstance(r, bytes) else json.dumps(r).encode() for r in records)
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def put(store: Store, body: bytes, *, key: str = KEY, digest: str | None = None) -> None:
    store.put(key, io.BytesIO(body), digest or sha256(body).hexdigest())


def put_foreign(store: Store, body: bytes, *, key: str = KEY) -> None:
    """Put an object as another producer does: without a sha256 in its metadata."""
    store.client.put_object(Bucket=store.bucket, Key=key, Body=body)


def load_day(
    store: Store,
    warehouse: Warehouse,
    *,
    source: Source = POSTS,
    settings: RunSettings = SETTINGS,
    **changes: Any,
) -> LoadResult:
    return load(source, DAY, store, warehouse.loader, settings, **changes)


def query(
    warehouse: Warehouse, statement: str | sql.Composed, *values: Any
) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.loader) as connection:
        return connection.execute(statement, values).fetchall()


def payloads(warehouse: Warehouse, table: str = "posts") -> list[Any]:
    """Return every record that a reader of the view sees, by position, as its columns hold it."""
    statement = sql.SQL("select {} from {} order by day, position").format(
        whole_record(warehouse, table), sql.Identifier("raw", table)
    )
    return [row[0] for row in query(warehouse, statement)]


def whole_record(warehouse: Warehouse, table: str = "posts") -> sql.Composed:
    """Return an expression for a row's record as jsonb, without fields that are null."""
    fields = [
        sql.SQL("case when {0} is null then '{{}}' else jsonb_build_object({1}, {0}) end").format(
            sql.Identifier(name), parts[0]
        )
        for name, parts in query(warehouse, _PLACES, f"raw.{table}_rows")
        if len(parts) == 1
    ]
    return sql.SQL(" || ").join([sql.SQL("coalesce(extra, '{{}}')").format(), *fields])


def rejects(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return query(
        warehouse, "select position, field, reason from ops.rejects order by load_id, position"
    )


def ledger(warehouse: Warehouse, columns: str = "state, is_current, loaded") -> list[Any]:
    statement = sql.SQL("select {} from ops.loads order by load_id")
    return query(warehouse, statement.format(sql.SQL(columns)))


@contextmanager
def database_of(server: PostgresServer, template: str, name: str) -> Iterator[Warehouse]:
    """A database for all tests of a module: creating one takes longer than most tests."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} owner owner template {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield Warehouse(server, name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def bucket_of(ministack: MiniStack, name: str) -> Store:
    """Return a versioned bucket for all tests of a module."""
    ministack.bootstrap(name)
    return Store.of_session(ministack.session(), name, endpoint_url=ministack.endpoint)


def empty(warehouse: Warehouse) -> None:
    """Delete everything that was loaded."""
    with psycopg.connect(warehouse.admin) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'raw'"
        ).fetchall()
        names = sql.SQL(", ").join(sql.Identifier("raw", name) for (name,) in tables)
        connection.execute(sql.SQL("truncate ops.loads, ops.rejects, {}").format(names))
        connection.execute("alter sequence ops.load_id restart")


def environment(store: Store, dsn: str, **more: str) -> dict[str, str]:
    """Return the environment of a command that loads from this store into this warehouse."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": store.client.meta.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": LOGIN,
        "AWS_SECRET_ACCESS_KEY": LOGIN,
        "LANDING_BUCKET": store.bucket,
        "WAREHOUSE_DSN": dsn,
        "AIRFLOW_VAR_PIPELINE": SETTINGS.model_dump_json(),
        **more,
    }


def run(
    store: Store, warehouse: Warehouse, *command: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m scripts.<command>`` and wait for its end."""
    module, *arguments = command
    return subprocess.run(
        [sys.executable, "-m", f"scripts.{module}", *arguments],
        env=environment(store, warehouse.loader, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
