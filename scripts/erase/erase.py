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

from scripts.erase.from_landing import RecordKey, Removal, remove_record, versions_of
from scripts.erase.from_warehouse import delete_day, delete_record, marked_days
from scripts.killpoints import reach
from scripts.landing.keys import FIRST_DAY, parse_raw_key, raw_key, raw_prefix
from scripts.landing.store import Store
from scripts.load.attempt import LoadResult
from scripts.load.load import load, load_work, summary
from scripts.reconcile.pending import Work, survey_landing
from scripts.settings import (
    RunSettings,
)
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.ledger import lock_day
from sources import Source


def erase_record(
    wanted: RecordKey, store: Store, dsn: str, settings: RunSettings, show: Callable[[str], None]
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
        rows, rejects = delete_record(connection, wanted)
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
        rows, rejects = delete_day(connection, source, day)
    reach("erase.after_rows")
    return {"versions": len(versions), "rows": rows, "rejects": rejects}


def _take_out_everywhere(
    wanted: RecordKey, store: Store, max_record_bytes: int, show: Callable[[str], None]
) -> dict[str, Removal]:
    """Remove the record from every object of its source; return what was removed, by key."""
    found = store.versions(raw_prefix(wanted.source.name))
    keys = sorted({version.key for version in found if parse_raw_key(version.key)})
    removed = {}
    for number, key in enumerate(keys, 1):
        show(f"{number:,} of {len(keys):,} objects, {key}")
        removed[key] = remove_record(store, key, wanted, max_record_bytes)
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
                delete_day(connection, source, day)
            yield result


def _load_pending(store: Store, dsn: str, settings: RunSettings) -> Iterator[LoadResult]:
    """Load all that has landed and is not loaded, of any age."""
    return load_work(
        Work(survey_landing(store, dsn, FIRST_DAY).waiting), store, dsn, settings, "erase"
    )
