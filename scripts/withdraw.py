"""Withdraw a day: delete its object, and take its rows out of the marts.

Invariant: killed anywhere, the same command finishes. Nothing is lost: the bucket keeps the
object's versions and the ledger its history, so a restored or a new object is loaded as usual.
"""

import sys
from typing import Annotated

import typer

from scripts import settings
from scripts.cli import progress, run_cli, source_named
from scripts.dbt import build_and_publish
from scripts.errors import InvalidInputError
from scripts.killpoints import reach
from scripts.landing.keys import parse_day, raw_key
from scripts.landing.store import Store
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.ledger import withdraw


def main(
    source: Annotated[str, typer.Argument(help="declared source, such as posts")],
    day: Annotated[str, typer.Option(help="the day to withdraw, YYYY-MM-DD")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Take one day of a source out of the landing zone and out of the marts.

    The models then read as if the day had never landed. To undo it, restore the object or ingest
    the day again. It is not an erasure: the bucket keeps the versions. Reads the same variables as
    ``python -m scripts.rebuild``.
    """
    declared, on = source_named(source), parse_day(day)
    key = raw_key(declared.name, on)
    store = Store.of_environment(settings.deployment().bucket())
    dsn, dbt_dsn = settings.warehouse_dsn_from_env(), settings.transformer_dsn_from_env()
    is_landed = store.find(key) is not None
    if is_landed and sys.stdin.isatty() and not yes:
        typer.confirm(f"Delete {key} and take its day out of the marts?", abort=True)
    with progress() as show:
        if is_landed:
            store.delete(key)
        reach("withdraw.after_object")
        with connect(dsn, autocommit=True) as connection, plain_errors():
            is_known = withdraw(connection, declared.name, on)
        if not (is_landed or is_known):
            raise InvalidInputError(f"{key} does not exist, and no load of it is in the marts")
        reach("withdraw.after_ledger")
        show("building, testing and publishing the marts")
        build_and_publish(dbt_dsn)
    typer.echo(f"withdrew {key}. Marts published")


if __name__ == "__main__":
    run_cli(main)
