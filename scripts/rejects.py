"""Show rejected records (dead letters) and replay them. Invariant: a replay is a normal load."""

import sys
from datetime import date
from typing import Annotated, Any

import msgspec
import typer
from psycopg.rows import dict_row

from scripts import settings
from scripts.cli import print_rows, run_app, source_named
from scripts.errors import InvalidDataError, InvalidInputError
from scripts.landing.keys import parse_day
from scripts.landing.store import Store
from scripts.load.load import load
from scripts.warehouse.connection import connect, plain_errors

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


@app.command("list")
def list_rejects(
    source: Annotated[str | None, typer.Option(help="only this source")] = None,
    day: Annotated[str | None, typer.Option(help="only this day, YYYY-MM-DD")] = None,
    limit: Annotated[int, typer.Option(help="maximum number of rows")] = 1000,
) -> None:
    """List rejected records, latest load first: a table in a terminal, JSON in a pipe."""
    name = source_named(source).name if source else None
    on = parse_day(day) if day else None
    print_rows(
        find_rejects(settings.warehouse_dsn_from_env(), name, on, limit), "no rejected record"
    )


@app.command("show")
def show_reject(
    load_id: Annotated[int, typer.Argument(help="load_id, as listed")],
    position: Annotated[int, typer.Argument(help="position of the record in its object")],
) -> None:
    """Show one rejected record: its position, the reason, and its first 64 KB."""
    row = read_reject(settings.warehouse_dsn_from_env(), load_id, position)
    if sys.stdout.isatty():
        print_rows([{"name": name, "value": value} for name, value in row.items()], "")
    else:
        typer.echo(msgspec.json.encode(row))


@app.command("replay")
def replay_day(
    source: Annotated[str, typer.Argument(help="declared source, such as posts")],
    day: Annotated[str, typer.Option(help="day as YYYY-MM-DD")],
) -> None:
    """Load one day's object again, with the records that satisfy the contract now."""
    store = Store.of_environment(settings.deployment().bucket())
    dsn, run_settings = settings.warehouse_dsn_from_env(), settings.run_settings_from_env()
    result = load(source_named(source), parse_day(day), store, dsn, run_settings, again=True)
    if result.outcome in ("absent", "parked"):
        raise InvalidDataError(result.line())
    typer.echo(result.line())


if __name__ == "__main__":
    run_app(app)
