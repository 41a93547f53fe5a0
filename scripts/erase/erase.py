"""GDPR erasure of a record or a day. Invariant: afterwards it exists nowhere and does not return.

This is the only exception to *raw is kept*. The order of the steps makes each kill harmless:
running the same command again finishes the work, and the ledger is never wrong.

0. Load everything that is pending. Then the ledger knows which objects are good and which parked.
1. Objects: delete parts of days, abort unfinished uploads, rewrite objects without the record, or
   remove them, and delete the versions that hold it.
   After a kill here the warehouse still has the record, but a rebuild or a reload has not.
2. Take the lock of each day once. A loader that had read an object before step 1 has committed by
   then, or will notice that the object changed.
3. Delete rows and rejects of every load and correct the counts in the ledger, in one transaction.
   These loads are marked with the sha256 ``erased``, which no object has. So the marks, not the
   memory of this process, decide in step 4 what to load again.
4. Load marked days and everything else that is pending, so that ledger and objects agree.
5. Drop schema build, then build, test and publish: the difference leaves the marts. If a test fails
   here, the marts keep the record until it passes. Run the command again.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date

from scripts.erase.from_landing import Removal, remove_parts, remove_records, versions_of
from scripts.erase.from_warehouse import delete_day, delete_records, marked_days
from scripts.erase.wanted import Wanted
from scripts.killpoints import reach
from scripts.landing.keys import (
    FIRST_DAY,
    names_a_day,
    parse_raw_key,
    parts_prefix,
    raw_key,
    raw_prefix,
)
from scripts.landing.store import Store, UnreadableError
from scripts.load.attempt import LoadResult
from scripts.load.load import load, load_work, summary
from scripts.reconcile.pending import Work, survey_landing
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.ledger import lock_day
from sources import Source


def erase_records(
    wanted: Wanted, store: Store, dsn: str, settings: RunSettings, show: Callable[[str], None]
) -> tuple[dict[str, int], list[str]]:
    """Erase records of one source everywhere except in the marts.

    Returns:
        counts of what was removed, and the keys of objects that are not JSON arrays.
    """
    source = wanted.source
    _load_pending(store, dsn, settings)
    parts = remove_parts(store, parts_prefix(source.name))
    uploads = store.abort_uploads(raw_prefix(source.name))  # nobody can look into them
    removed = _remove_everywhere(wanted, store, settings.max_record_bytes, show)
    reach("erase.after_objects")
    with connect(dsn, autocommit=True) as connection, plain_errors():
        for _, day in sorted(filter(None, map(parse_raw_key, removed))):
            with connection.transaction():
                lock_day(connection, source.name, day)
        rows, rejects = delete_records(connection, wanted)
    reach("erase.after_rows")
    summary(_load_marked(source, store, dsn, settings))
    _load_pending(store, dsn, settings)
    reach("erase.after_loads")
    counts = {
        "records": sum(found.records for found in removed.values()),
        "objects": sum(1 for found in removed.values() if found.records),
        "versions": sum(found.versions for found in removed.values()) + parts,
        "uploads": uploads,
        "rows": rows,
        "rejects": rejects,
    }
    return counts, [key for key, found in removed.items() if found.is_unreadable]


def erase_day(source: Source, day: date, store: Store, dsn: str) -> dict[str, int]:
    """Erase one day everywhere except in the marts. Return counts of what was removed."""
    key = raw_key(source.name, day)
    parts = remove_parts(store, f"{parts_prefix(source.name)}{day.isoformat()}/")
    uploads = store.abort_uploads(key)
    versions = versions_of(store, key)
    store.delete_versions(versions)
    reach("erase.after_objects")
    with connect(dsn, autocommit=True) as connection, plain_errors():
        rows, rejects = delete_day(connection, source, day)
    reach("erase.after_rows")
    return {"versions": len(versions) + parts, "uploads": uploads, "rows": rows, "rejects": rejects}


def _remove_everywhere(
    wanted: Wanted, store: Store, max_record_bytes: int, show: Callable[[str], None]
) -> dict[str, Removal]:
    """Remove the record from every object of its source. Return the removals by key."""
    found = store.versions(raw_prefix(wanted.source.name))
    keys = sorted({version.key for version in found if names_a_day(version.key)})
    removed = {}
    for number, key in enumerate(keys, 1):
        show(f"{number:,} of {len(keys):,} objects, {key}")
        removed[key] = remove_records(store, key, wanted, max_record_bytes)
    return removed


def _load_marked(
    source: Source, store: Store, dsn: str, settings: RunSettings
) -> Iterator[LoadResult]:
    """Load the days that the ledger has marked. Delete a day without any object.

    These objects were accepted before: no limit must park them without the record.
    """
    limits = ("max_reject_count", "max_object_bytes", "load_timeout")
    lenient = settings.model_copy(
        update={"max_reject_share": 1.0, **dict.fromkeys(limits, sys.maxsize)}
    )
    with connect(dsn, autocommit=True) as connection, plain_errors():
        for day, received in marked_days(connection, source):
            result = load(source, day, store, dsn, lenient, run_id="erase", again=True)
            if result.outcome == "absent" and not received:
                delete_day(connection, source, day)
            yield result


def _load_pending(store: Store, dsn: str, settings: RunSettings) -> None:
    """Load everything that has landed but is not loaded, of any age."""
    work = Work(survey_landing(store, dsn, FIRST_DAY).waiting)
    with suppress(UnreadableError):  # the search names the object
        summary(load_work(work, store, dsn, settings, "erase"))
