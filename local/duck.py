"""The marts on a laptop, in one DuckDB file. Invariant: the same objects and models, read only.

``python -m local.duck`` copies the latest content of every landed day into raw tables of
the shape that the loader makes, and runs the whole dbt project on them. Nothing of the landing zone
or of the warehouse is changed.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import boto3
import duckdb
import msgspec
import typer

from local.result import landing
from local.stack import Stack
from local.state import ROOT, state_folder
from scripts.cli import run_cli
from scripts.errors import RefusedError
from scripts.landing.keys import parse_raw_key, raw_prefix
from scripts.landing.store import Store
from scripts.load.contract import key_columns
from scripts.settings import deployment
from sources import SOURCES, Source

_LEDGER = """
    create table ops.loads (
        load_id bigint primary key, source varchar, day date, sha256 varchar, received bigint,
        loaded bigint, rejected bigint, is_current boolean, published_at timestamptz
    )
"""


def copy_landed(store: Store, file: Path) -> dict[str, int]:
    """Make `file` anew from the landing zone; return how many records each source has there.

    Raises:
        RefusedError: nothing has landed, or an object is no JSON array.
        UnavailableError: the bucket does not answer.
    """
    file.unlink(missing_ok=True)
    counts = dict.fromkeys(SOURCES, 0)
    load_id = 0
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema raw; create schema ops")
        connection.execute(_LEDGER)
        for source in SOURCES.values():
            _create_raw(connection, source)
            for day, key in _landed(store, source):
                load_id += 1
                counts[source.name] += _copy(connection, source, day, load_id, _bytes(store, key))
    if not load_id:
        raise RefusedError("nothing has landed: `make run` first, or name LANDING_BUCKET")
    return counts


def _landed(store: Store, source: Source) -> Iterator[tuple[date, str]]:
    for listed in store.list(raw_prefix(source.name)):
        if parsed := parse_raw_key(listed.key):
            yield parsed[1], listed.key


def _bytes(store: Store, key: str) -> bytes:
    opened = store.open(key)
    return b"".join(opened.blocks()) if opened else b"[]"


def _create_raw(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    keys = ", ".join(f'"{name}" {type_}' for name, type_ in key_columns(source).items())
    connection.execute(
        f"create table raw.{source.name}_rows"
        f" (load_id bigint, position bigint, {keys}, payload json)"
    )


def _copy(
    connection: duckdb.DuckDBPyConnection, source: Source, day: date, load_id: int, text: bytes
) -> int:
    """Copy the records of one object that keep the contract; return how many they are."""
    try:
        records = msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        raise RefusedError(f"{source.name} of {day}: the object is no JSON array") from None
    contract = msgspec.json.Decoder(source.contract)
    rows: list[tuple[Any, ...]] = []
    for position, record in enumerate(records):
        with suppress(msgspec.MsgspecError):
            kept = contract.decode(record)
            keys = (getattr(kept, name) for name in source.key)
            rows.append((position, *keys, bytes(record).decode()))
    if rows:
        types = ["bigint", *key_columns(source).values(), "json"]
        columns = ", ".join(f"unnest(?::{type_}[])" for type_ in types)
        connection.execute(
            f"insert into raw.{source.name}_rows select ?, {columns}",
            [load_id, *map(list, zip(*rows, strict=True))],
        )
    counts = (len(records), len(rows), len(records) - len(rows))
    connection.execute(
        "insert into ops.loads values (?, ?, ?, '-', ?, ?, ?, true, null)",
        [load_id, source.name, day, *counts],
    )
    return len(rows)


def build(file: Path) -> None:
    """Build and test all models in `file`; raises RefusedError when something does not pass."""
    place = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt")]
    target = ["--target", "duckdb", "--target-path", str(file.parent / "duckdb-target")]
    # A unit test of an incremental model needs its table, so they come second.
    for command in (
        ["build", "--exclude-resource-type", "unit_test"],
        ["test", "--select", "test_type:unit"],
    ):
        done = subprocess.run(
            ["dbt", "--quiet", "--log-level-file", "none", *command, *place, *target],
            env={**os.environ, "DBT_DUCKDB_PATH": str(file)},
            check=False,
        )
        if done.returncode:
            raise RefusedError(f"dbt {command[0]} did not pass on DuckDB: see above")


def main(
    file: Annotated[Path | None, typer.Option(help="DuckDB file to make")] = None,
) -> None:
    """Copy what has landed into a DuckDB file, build and test the models there.

    Reads the landing zone that LANDING_BUCKET and AWS's own variables name, or the local stack's.
    """
    bucket = deployment().landing_bucket
    store = Store.of_session(boto3.Session(), bucket) if bucket else landing(Stack(state_folder()))
    file = file or state_folder() / "elt.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    counts = copy_landed(store, file)
    build(file)
    typer.echo(", ".join(f"{count} {source}" for source, count in counts.items()) + f" in {file}")


if __name__ == "__main__":
    run_cli(main)
