"""Show rejected records (dead letters) and replay them. Invariant: a replay is a normal load."""

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import boto3
import msgspec
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from scripts.cli import run_app, source_named
from scripts.errors import InvalidDataError, InvalidInputError
from scripts.landing.keys import parse_day
from scripts.landing.store import Store
from scripts.load.attempt import LoadResult
from scripts.load.load import load
from scripts.settings import (
    RunSettings,
    deployment,
    run_settings_from_env,
    warehouse_dsn_from_env,
)
from scripts.warehouse.connection import connect, plain_errors
from sources import Source

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="Records that were rejected."
)

_FIND = """
    select rejects.load_id, loads.source, loads.day, rejects.position,
        case when loads.is_current then 'current'
            when loads.state = 'parked' then 'parked' else 'replaced' end as load,
        rejects.field, rejects.reason, rejects.record_bytes
    from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
    where (%(source)s::text is null or loads.source = %(source)s)
        and (%(day)s::date is null or loads.day = %(day)s)
    order by rejects.load_id desc, rejects.position
    limit %(limit)s
"""
_SHOW = """
    select loads.source, loads.day, loads.key, loads.version_id, rejects.*
    from ops.rejects inner join ops.loads on loads.load_id = rejects.load_id
    where rejects.load_id = %s and rejects.position = %s
"""


def find_rejects(
    dsn: str, source: str | None = None, day: date | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """Return the rejects of a source and day (or of all), the latest load first."""
    with connect(dsn, row_factory=dict_row) as connection, plain_errors():
        values = {"source": source, "day": day, "limit": limit}
        return connection.execute(_FIND, values).fetchall()


def read_reject(dsn: str, load_id: int, position: int) -> dict[str, Any]:
    """Return one reject with its record as text. Bytes that are not text become escapes.

    Raises:
        InvalidInputError: no such reject is kept.
    """
    with connect(dsn, row_factory=dict_row) as connection, plain_errors():
        row = connection.execute(_SHOW, (load_id, position)).fetchone()
    if row is None:
        raise InvalidInputError(f"load {load_id} keeps no reject at position {position}")
    return {**row, "record": bytes(row["record"]).decode(errors="backslashreplace")}


def replay(source: Source, day: date, store: Store, dsn: str, settings: RunSettings) -> LoadResult:
    """Load the day's object again, with the records that satisfy the contract now."""
    return load(source, day, store, dsn, settings, again=True)


@app.command("list")
def list_rejects(
    source: Annotated[str | None, typer.Option(help="only this source")] = None,
    day: Annotated[str | None, typer.Option(help="only this day, YYYY-MM-DD")] = None,
    limit: Annotated[int, typer.Option(help="maximum number of rows")] = 1000,
) -> None:
    """List rejected records, latest load first: a table in a terminal, JSON in a pipe."""
    name = source_named(source).name if source else None
    rows = find_rejects(warehouse_dsn_from_env(), name, parse_day(day) if day else None, limit)
    _print(rows, "no rejected record")


@app.command("show")
def show_reject(
    load_id: Annotated[int, typer.Argument(help="load_id, as listed")],
    position: Annotated[int, typer.Argument(help="position of the record in its object")],
) -> None:
    """Show one rejected record: its position, the reason, and its first 64 KB."""
    row = read_reject(warehouse_dsn_from_env(), load_id, position)
    if sys.stdout.isatty():
        _print([{"name": name, "value": value} for name, value in row.items()], "")
    else:
        typer.echo(msgspec.json.encode(row))


@app.command("replay")
def replay_day(
    source: Annotated[str, typer.Argument(help="declared source, such as posts")],
    day: Annotated[str, typer.Option(help="day as YYYY-MM-DD")],
) -> None:
    """Load one day's object again, with the records that satisfy the contract now."""
    store = Store.of_session(boto3.Session(), deployment().bucket())
    dsn = warehouse_dsn_from_env()
    settings = run_settings_from_env()
    result = replay(source_named(source), parse_day(day), store, dsn, settings)
    if result.outcome in ("absent", "parked"):
        raise InvalidDataError(result.line())
    typer.echo(result.line())


def _print(rows: Sequence[Mapping[str, Any]], nothing: str) -> None:
    if not sys.stdout.isatty():
        typer.echo(b"[" + b",\n".join(map(msgspec.json.encode, rows)) + b"]")
        return
    if not rows:
        typer.echo(nothing)
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*("" if value is None else _plain(value) for value in row.values()))
    Console().print(table, markup=False)


def _plain(value: Any) -> str:
    """Return the value as text without control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


if __name__ == "__main__":
    run_app(app)
