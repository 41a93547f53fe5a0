"""Load one landed object into the warehouse. Invariant: loading again ends in the same table.

So it is after a kill at any point, beside other loaders, and after an answer lost on the way; how
one try keeps that promise is told in `scripts.load.attempt`.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date

from scripts.errors import UnavailableError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.attempt import Attempt, LoadResult, OutdatedError
from scripts.load.quarantine import quarantine
from scripts.reconcile.pending import Work
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect
from sources import SOURCES, Source

_log = logging.getLogger(__name__)
_TRIES = 5


def load(
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
            with quarantine() as rejects:
                attempt = Attempt(source, day, store, connection, settings, run_id, rejects)
                try:
                    return attempt.run(again=again)
                except OutdatedError:
                    continue
    raise UnavailableError(f"{raw_key(source.name, day)} changed during each of {_TRIES} tries")


def load_work(
    work: Work, store: Store, dsn: str, settings: RunSettings, run_id: str | None = None
) -> Iterator[LoadResult]:
    """Load every object of a run's work, oldest first; an object that is refused stops no other.

    Yields:
        how each of them ended, as it ends.

    Raises:
        UnavailableError: the bucket or the warehouse failed; what was loaded before stays, and the
            rest is pending.
    """
    for name, day in work.objects:
        yield load(SOURCES[name], day, store, dsn, settings, run_id=run_id, again=work.is_reload)


def summary(results: Iterable[LoadResult]) -> dict[str, int]:
    """Log each result as it comes; return objects by outcome, and records of what was loaded."""
    counts: Counter[str] = Counter(received=0, loaded=0, rejected=0)
    for result in results:
        _log.log(logging.WARNING if result.reason else logging.INFO, "%s", result.line())
        counts[f"objects_{result.outcome}"] += 1
        if result.outcome == "loaded":
            counts.update(received=result.received, loaded=result.loaded, rejected=result.rejected)
    return dict(counts)
