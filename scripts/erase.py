"""Erase a record or a day for good. Invariant: afterwards nothing of it is left, nor comes back.

The one exception to *raw is kept*. In this order, so that a kill between any two steps leaves work
that running the same command again finishes, and never a ledger that lies:

0. What is pending is loaded: then the ledger says which objects are good and which are parked.
1. Objects: rewritten without the record, or removed, and the versions that held it deleted. Killed
   here, the warehouse still has it, but a rebuild or a reload no longer would.
2. Each day's lock is taken once: a loader that had read an object before step 1 has committed by
   then, or will notice that the object changed.
3. Rows of every load and rejects, together with the ledger's counts of their loads, in one
   transaction; those loads are marked by the sha256 ``erased``, which no object has. So the marks,
   not this process's memory, say in step 4 what to load again.
4. Marked days and whatever else is pending are loaded, so that ledger and objects agree.
5. Schema build is dropped and made anew, tested and published: the difference leaves the marts.
   If a gate fails here, the marts keep the record until it passes: run it again.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import Annotated

import boto3
import typer

from scripts.cli import run_cli
from scripts.dbt import build_and_publish
from scripts.errors import ConfigurationError, RefusedError
from scripts.forget import forget_day, forget_record, marked_days
from scripts.keys import parse_day, parse_raw_key, raw_key, raw_prefix
from scripts.killpoints import reach
from scripts.ledger import lock_day, plain_errors
from scripts.load import LoadResult, load, load_work, summary
from scripts.pending import Work, look
from scripts.progress import progress
from scripts.rebuild import FIRST_DAY
from scripts.rewrite import Removed, Wanted, take_out, versions_of
from scripts.settings import (
    RunSettings,
    deployment,
    run_settings_from_env,
    transformer_dsn_from_env,
    warehouse_dsn_from_env,
)
from scripts.sources import Source, source_named
from scripts.store import Store
from scripts.warehouse import connect


def erase_record(
    wanted: Wanted, store: Store, dsn: str, settings: RunSettings, show: Callable[[str], None]
) -> tuple[dict[str, int], list[str]]:
    """Do all but the marts for one record.

    Returns:
        counts of what was removed, and the keys of objects that are no JSON array and may hold it.
    """
    source = wanted.source
    summary(_load_pending(store, dsn, settings))
    removed = _take_out_everywhere(wanted, store, settings.max_record_bytes, show)
    reach("erase.after_objects")
    with connect(dsn, autocommit=True) as connection, plain_errors():
        for _, day in sorted(filter(None, map(parse_raw_key, removed))):
            with connection.transaction():
                lock_day(connection, source.name, day)
        rows, rejects = forget_record(connection, wanted)
    reach("erase.after_rows")
    summary(_load_marked(source, store, dsn, settings))
    summary(_load_pending(store, dsn, settings))
    reach("erase.after_loads")
    counts = {
        "records": sum(found.records for found in removed.values()),
        "objects": sum(1 for found in removed.values() if found.records),
        "versions": sum(found.versions for found in removed.values()),
        "rows": rows,
        "rejects": rejects,
    }
    return counts, [key for key, found in removed.items() if found.is_unreadable]


def erase_day(source: Source, day: date, store: Store, dsn: str) -> dict[str, int]:
    """Do all but the marts for one day of a source; return counts of what was removed."""
    versions = versions_of(store, raw_key(source.name, day))
    store.delete_versions(versions)
    reach("erase.after_objects")
    with connect(dsn, autocommit=True) as connection, plain_errors():
        rows, rejects = forget_day(connection, source, day)
    reach("erase.after_rows")
    return {"versions": len(versions), "rows": rows, "rejects": rejects}


def _take_out_everywhere(
    wanted: Wanted, store: Store, max_record_bytes: int, show: Callable[[str], None]
) -> dict[str, Removed]:
    """Remove the record from every object of its source; return what was removed, by key."""
    found = store.versions(raw_prefix(wanted.source.name))
    keys = sorted({version.key for version in found if parse_raw_key(version.key)})
    removed = {}
    for number, key in enumerate(keys, 1):
        show(f"{number:,} of {len(keys):,} objects, {key}")
        removed[key] = take_out(store, key, wanted, max_record_bytes)
    return removed


def _load_marked(
    source: Source, store: Store, dsn: str, settings: RunSettings
) -> Iterator[LoadResult]:
    """Load what the ledger has marked; a day of which nothing is left goes.

    These objects were accepted before: a record less must not refuse them for their share of
    rejects.
    """
    lenient = settings.model_copy(update={"max_reject_share": 1.0, "max_reject_count": sys.maxsize})
    with connect(dsn, autocommit=True) as connection, plain_errors():
        for day, received in marked_days(connection, source):
            result = load(source, day, store, dsn, lenient, run_id="erase", again=True)
            if result.outcome == "absent" and not received:
                forget_day(connection, source, day)
            yield result


def _load_pending(store: Store, dsn: str, settings: RunSettings) -> Iterator[LoadResult]:
    """Load all that has landed and is not loaded, of any age."""
    return load_work(Work(look(store, dsn, FIRST_DAY).waiting), store, dsn, settings, "erase")


def main(
    source: Annotated[str, typer.Option(help="declared source, such as posts")],
    record_id: Annotated[
        list[str] | None,
        typer.Option("--id", help="key of the record; once for each field of the source's key"),
    ] = None,
    day: Annotated[str, typer.Option(help="or the day that goes as a whole, YYYY-MM-DD")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Remove a record, or a day, from the landing zone with all its versions and the warehouse.

    Erase it at the API too: the next ingest lands what the API gives. Reads what
    ``python -m scripts.rebuild`` reads.
    """
    declared, ids = source_named(source), tuple(record_id or ())
    if bool(ids) == bool(day) or (ids and len(ids) != len(declared.key)):
        wants = " ".join(f"--id <{name}>" for name in declared.key)
        raise ConfigurationError(f"to erase from {source}, give {wants}, or else --day YYYY-MM-DD")
    on = parse_day(day) if day else None
    store = Store.of_session(boto3.Session(), deployment().bucket())
    dsn, dbt_dsn = warehouse_dsn_from_env(), transformer_dsn_from_env()
    settings, unreadable = run_settings_from_env(), list[str]()
    if sys.stdin.isatty() and not yes:
        what = f"day {on}" if on else "the record"
        typer.confirm(f"Erase {what} of {source}, every version, for good?", abort=True)
    with progress() as show:
        if on:
            counts = erase_day(declared, on, store, dsn)
        else:
            counts, unreadable = erase_record(Wanted(declared, ids), store, dsn, settings, show)
        show("building, testing and publishing the marts")
        build_and_publish(dbt_dsn)
    typer.echo("erased: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    if unreadable:
        raise RefusedError(
            f"{', '.join(unreadable)}: no JSON array, and may hold the record: land it again, or "
            "erase its day, and run this again"
        )


if __name__ == "__main__":
    run_cli(main)
