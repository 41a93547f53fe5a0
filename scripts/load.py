"""Load one landed object into the warehouse. Invariant: loading again ends in the same table.

So it is after a kill at any point, beside other loaders, and after an answer lost on the way; how
one try keeps that promise is told in `scripts.attempt`.
"""

import os
from datetime import date
from typing import Annotated

import boto3
import typer

from scripts.attempt import Attempt, LoadResult, OutdatedError
from scripts.cli import run_cli
from scripts.errors import RefusedError, UnavailableError
from scripts.keys import parse_day, raw_key
from scripts.quarantine import Quarantine
from scripts.settings import RunSettings, deployment, run_settings_from_env, warehouse_dsn_from_env
from scripts.sources import Source, source_named
from scripts.store import Store
from scripts.warehouse import connect

__all__ = ["LoadResult", "load"]
_TRIES = 5


def load(  # noqa: PLR0913 - what, from where, to where, how
    source: Source,
    day: date,
    store: Store,
    dsn: str,
    settings: RunSettings,
    *,
    run_id: str | None = None,
    again: bool = False,
) -> LoadResult:
    """Load the object of one day, and make its rows the day's rows.

    Args:
        source: what the records must be.
        day: which of its objects.
        store: where the object is.
        dsn: the warehouse, as role loader.
        settings: sizes and thresholds.
        run_id: who loads, for the ledger.
        again: load even if the same content is loaded already: its contract may have changed.

    Returns:
        how it ended; an object that is refused is parked, and the day stays as it was.

    Raises:
        UnavailableError: try again later; nothing is visible, or (if the answer to a commit was
            lost) all of it: loading again is right in both cases.
    """
    with connect(dsn, autocommit=True) as connection:
        for _ in range(_TRIES):
            with Quarantine() as quarantine:
                attempt = Attempt(source, day, store, connection, settings, run_id, quarantine)
                try:
                    return attempt.run(again=again)
                except OutdatedError:
                    continue
    raise UnavailableError(f"{raw_key(source.name, day)} changed during each of {_TRIES} tries")


def main(
    source: Annotated[str, typer.Argument(help="declared source, such as posts")],
    day: Annotated[str, typer.Option(help="day as YYYY-MM-DD")],
) -> None:
    """Load the landed object of one day of a source into the warehouse."""
    store = Store.of_session(boto3.Session(), deployment().bucket())
    dsn = warehouse_dsn_from_env(os.environ)
    settings = run_settings_from_env(os.environ)
    result = load(source_named(source), parse_day(day), store, dsn, settings)
    if result.outcome in ("absent", "parked"):
        raise RefusedError(result.line())
    typer.echo(result.line())


if __name__ == "__main__":
    run_cli(main)
