"""Load landed objects into the warehouse. Invariant: loading again ends in the same table.

This holds after a kill at any point, beside other loaders, and after a lost answer to a commit.
`scripts.load.attempt` shows how one attempt keeps it.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date

from scripts.errors import UnavailableError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store, UnreadableError
from scripts.load.attempt import Attempt, LoadResult, OutdatedError, park_unreadable
from scripts.load.quarantine import quarantine
from scripts.load.raw_rows import raw_rows
from scripts.reconcile.pending import Work
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect
from sources import SOURCES, Source

_log = logging.getLogger(__name__)
_ATTEMPTS = 5


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
        source: the declared source.
        day: the day of the object.
        store: the landing zone.
        dsn: the warehouse, as role loader.
        settings: sizes and thresholds.
        run_id: the run, for the ledger.
        again: load content that is already loaded. Its contract may have changed.

    Returns:
        the result. An object that cannot be loaded is parked, and the day keeps its state.

    Raises:
        ConfigurationError: the raw table does not fit the contract.
        UnavailableError: retry later. Nothing is visible, or everything if the answer to the
            commit was lost. Loading again is correct in both cases.
    """
    with connect(dsn, autocommit=True) as connection:
        rows = raw_rows(connection, source)
        for _ in range(_ATTEMPTS):
            with quarantine(source) as rejects:
                attempt = Attempt(source, day, store, connection, rows, settings, run_id, rejects)
                try:
                    return attempt.run(again=again)
                except OutdatedError:
                    continue
    raise UnavailableError(f"{raw_key(source.name, day)} changed in each of {_ATTEMPTS} attempts")


def load_work(
    work: Work, store: Store, dsn: str, settings: RunSettings, run_id: str | None = None
) -> Iterator[LoadResult]:
    """Load every object of a run's work, oldest first. A parked object does not stop the others.

    Neither does an object that the bucket does not give out. It is parked at the end if another
    one could be read, because then the bucket itself works.

    Yields:
        the result of each object.

    Raises:
        UnavailableError: the bucket or the warehouse failed. Earlier loads stay, the rest is
            pending.
    """
    refused: list[tuple[Source, date]] = []
    cause: UnreadableError | None = None
    for name, day in work.objects:
        source = SOURCES[name]
        try:
            yield load(source, day, store, dsn, settings, run_id=run_id, again=work.is_reload)
        except UnreadableError as error:
            refused.append((source, day))
            cause = error
    if cause and len(refused) == len(work.objects):
        raise cause
    for source, day in refused:
        info = store.find(raw_key(source.name, day))
        try:  # the object may be another one by now
            yield load(source, day, store, dsn, settings, run_id=run_id, again=work.is_reload)
        except UnreadableError as error:
            with connect(dsn, autocommit=True) as connection:
                reason = f"cannot be read: {error}"
                yield park_unreadable(source, day, store, connection, run_id, info, reason)


def summary(results: Iterable[LoadResult]) -> dict[str, int]:
    """Log each result. Return the numbers of objects by outcome and of loaded records."""
    counts: Counter[str] = Counter(received=0, loaded=0, rejected=0)
    for result in results:
        _log.log(logging.WARNING if result.reason else logging.INFO, "%s", result.line())
        counts[f"objects_{result.outcome}"] += 1
        if result.outcome == "loaded":
            counts.update(received=result.received, loaded=result.loaded, rejected=result.rejected)
    return dict(counts)
