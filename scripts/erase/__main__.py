"""The command line of GDPR erasure: a record, a person over all sources, or a day of a source."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from scripts import settings
from scripts.cli import progress, run_cli, source_named
from scripts.dbt import build_and_publish
from scripts.erase.erase import erase_day, erase_records
from scripts.erase.from_warehouse import forget_statistics, unowned_marts
from scripts.erase.subject import find_subject
from scripts.erase.wanted import Wanted
from scripts.errors import InvalidDataError, InvalidInputError
from scripts.landing.keys import parse_any_day
from scripts.landing.store import Store
from scripts.warehouse.lake_history import forget_history
from sources import Source


def main(
    source: Annotated[str, typer.Option(help="declared source, such as posts")] = "",
    record_id: Annotated[
        list[str] | None,
        typer.Option("--id", help="key of the record, once for each field of the source's key"),
    ] = None,
    day: Annotated[str, typer.Option(help="or a whole day to erase, YYYY-MM-DD")] = "",
    subject: Annotated[
        str, typer.Option(help="or a person, such as users:7, with all that refers to it")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Erase a record, a person or a day from all versions in the landing zone and the warehouse.

    A person is a record, and the records that refer to it, directly or through others, as the
    sources declare in `references`. Erase it at the API too, or the next ingest lands it again.
    Reads the same variables as ``python -m scripts.rebuild``.
    """
    if bool(source) == bool(subject) or (subject and (record_id or day)):
        raise InvalidInputError("give --subject SOURCE:KEY alone, or --source with --id or --day")
    declared, keys = _named(subject) if subject else (source_named(source), tuple(record_id or ()))
    _check_key(declared, keys, day)
    on = parse_any_day(day) if day else None
    store = Store.of_environment(settings.deployment().bucket())
    dsn, dbt_dsn = settings.warehouse_dsn_from_env(), settings.transformer_dsn_from_env()
    if sys.stdin.isatty() and not yes:
        what = f"day {on} of {source}" if on else subject or f"the record of {source}"
        typer.confirm(f"Erase {what} permanently, in every version?", abort=True)
    unreadable: list[str] = []
    with progress() as show:
        if on:
            report = [(declared.name, erase_day(declared, on, store, dsn))]
        else:
            wanted = [Wanted.of_key(declared, *keys)]
            if subject:
                limit = settings.run_settings_from_env().max_record_bytes
                wanted = find_subject(declared, keys[0], store, dsn, limit, show)
            report, unreadable = _erase(wanted, store, dsn, show)
        show("building, testing and publishing the marts")
        build_and_publish(dbt_dsn, "--full-refresh", "--drop-unowned")
        unowned = unowned_marts(dbt_dsn)
        show("removing the values from old files, statistics and dead rows")
        forget_history(dbt_dsn)
        kept = [column for role in (dsn, dbt_dsn) for column in forget_statistics(role)]
    for name, counts in report:
        typer.echo(f"erased from {name}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    _refuse_what_is_left(unowned, unreadable, kept)


def _named(subject: str) -> tuple[Source, tuple[str, ...]]:
    name, colon, key = subject.partition(":")
    if not (colon and key):
        raise InvalidInputError(f"--subject: expected SOURCE:KEY such as users:7, got {subject!r}")
    return source_named(name), (key,)


def _check_key(source: Source, keys: Sequence[str], day: str) -> None:
    names = [".".join(field.parts) for field in source.key_fields]
    if bool(keys) == bool(day) or (keys and len(keys) != len(names)):
        wants = " ".join(f"--id <{name}>" for name in names)
        either = f"{wants}, or else " if wants else "(its records have no key) "
        raise InvalidInputError(f"to erase from {source.name}, give {either}--day YYYY-MM-DD")


def _erase(
    wanted: Sequence[Wanted], store: Store, dsn: str, show: Callable[[str], None]
) -> tuple[list[tuple[str, dict[str, int]]], list[str]]:
    """Erase the records of each source. Return the counts by source, and unreadable objects."""
    report, unreadable = [], []
    for records in wanted:
        found = erase_records(records, store, dsn, settings.run_settings_from_env(), show)
        report.append((records.source.name, found[0]))
        unreadable += found[1]
    return report, unreadable


def _refuse_what_is_left(
    unowned: Sequence[str], unreadable: Sequence[str], kept: Sequence[str]
) -> None:
    problems = []
    if kept:
        problems.append(
            f"{', '.join(kept)}: PostgreSQL 17 keeps the statistics of an empty table. As the "
            "owner, give the column its own type again: alter table ... alter column ... type ..."
        )
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
