"""The command line of the loader: one day of a source, or everything that is pending."""

from typing import Annotated

import typer
from msgspec.structs import replace

from scripts.cli import run_cli, source_named
from scripts.errors import InvalidDataError
from scripts.landing.keys import parse_day
from scripts.landing.store import Store
from scripts.load.load import load_work
from scripts.reconcile.pending import Work, plan_work
from scripts.settings import deployment, run_settings_from_env, warehouse_dsn_from_env


def main(
    source: Annotated[str, typer.Argument(help="declared source, such as posts")],
    day: Annotated[
        str | None, typer.Option(help="day as YYYY-MM-DD; without it, everything that is pending")
    ] = None,
) -> None:
    """Load the landed objects of a source into the warehouse: one day, or all that is pending."""
    store = Store.of_environment(deployment().bucket())
    dsn = warehouse_dsn_from_env()
    settings = run_settings_from_env()
    declared = source_named(source)
    if day is None:
        work = plan_work(store, dsn, settings)
        mine = replace(work, objects=[(name, day) for name, day in work.objects if name == source])
    else:
        mine = Work([(declared.name, parse_day(day))])
    refused = []
    for result in load_work(mine, store, dsn, settings):
        if result.outcome in ("absent", "parked"):
            refused.append(result.line())
        else:
            typer.echo(result.line())
    if refused:
        raise InvalidDataError("; ".join(refused))
    if not mine.objects:
        typer.echo("nothing is pending")


if __name__ == "__main__":
    run_cli(main)
