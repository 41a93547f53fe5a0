"""The command line of GDPR erasure: one record, or one day of a source."""

import sys
from typing import Annotated

import typer

from scripts import settings
from scripts.cli import progress, run_cli, source_named
from scripts.dbt import build_and_publish
from scripts.erase.erase import erase_day, erase_record
from scripts.erase.from_landing import RecordKey
from scripts.erase.from_warehouse import forget_statistics, unowned_marts
from scripts.errors import InvalidDataError, InvalidInputError
from scripts.landing.keys import parse_any_day
from scripts.landing.store import Store


def main(
    source: Annotated[str, typer.Option(help="declared source, such as posts")],
    record_id: Annotated[
        list[str] | None,
        typer.Option("--id", help="key of the record, once for each field of the source's key"),
    ] = None,
    day: Annotated[str, typer.Option(help="or a whole day to erase, YYYY-MM-DD")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Erase a record or a day from all versions in the landing zone and from the warehouse.

    Erase it at the API too, or the next ingest lands it again. Reads the same variables as
    ``python -m scripts.rebuild``.
    """
    declared, ids = source_named(source), tuple(record_id or ())
    names = [".".join(field.parts) for field in declared.key_fields]
    if bool(ids) == bool(day) or (ids and len(ids) != len(names)):
        wants = " ".join(f"--id <{name}>" for name in names)
        either = f"{wants}, or else " if wants else "(its records have no key) "
        raise InvalidInputError(f"to erase from {source}, give {either}--day YYYY-MM-DD")
    on = parse_any_day(day) if day else None
    store = Store.of_environment(settings.deployment().bucket())
    dsn, dbt_dsn = settings.warehouse_dsn_from_env(), settings.transformer_dsn_from_env()
    run_settings = settings.run_settings_from_env()
    unreadable: list[str] = []
    if sys.stdin.isatty() and not yes:
        what = f"day {on}" if on else "the record"
        typer.confirm(f"Erase {what} of {source} permanently, in every version?", abort=True)
    with progress() as show:
        if on:
            counts = erase_day(declared, on, store, dsn)
        else:
            wanted = RecordKey(declared, ids)
            counts, unreadable = erase_record(wanted, store, dsn, run_settings, show)
        show("building, testing and publishing the marts")
        build_and_publish(dbt_dsn, "--full-refresh", "--drop-unowned")
        unowned = unowned_marts(dbt_dsn)
        show("removing the values from statistics and dead rows")
        for role in (dsn, dbt_dsn):
            forget_statistics(role)
    typer.echo("erased: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    problems = []
    if unowned:
        problems.append(
            f"{', '.join(unowned)}: no model owns these tables, and role transformer may not drop "
            "them. If they hold the record, remove it there"
        )
    if unreadable:
        problems.append(
            f"{', '.join(unreadable)}: a version is no JSON array, or the bucket does not give it "
            "out, so it could not be searched. "
            "Delete that version, or erase the day with --day, then run this again"
        )
    if problems:
        raise InvalidDataError("; ".join(problems))


if __name__ == "__main__":
    run_cli(main)
