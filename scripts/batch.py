"""Load the work of one run, object by object. Invariant: one that is refused stops no other."""

import logging
from collections import Counter

from scripts.load import LoadResult, load
from scripts.pending import Work
from scripts.settings import RunSettings
from scripts.sources import source_named
from scripts.store import Store

_log = logging.getLogger(__name__)


def load_work(
    work: Work, store: Store, dsn: str, settings: RunSettings, run_id: str | None = None
) -> list[LoadResult]:
    """Load every object of the work, oldest first; return how each of them ended.

    Raises:
        UnavailableError: the bucket or the warehouse failed; what was loaded before it stays, and
            the rest is pending.
    """
    results = []
    for source, day in work.objects:
        result = load(
            source_named(source), day, store, dsn, settings, run_id=run_id, again=work.is_reload
        )
        _log.log(logging.WARNING if result.reason else logging.INFO, "%s", line(result))
        results.append(result)
    return results


def line(result: LoadResult) -> str:
    """Say in one line how the load of one object ended."""
    counts = f"{result.received} received = {result.loaded} loaded + {result.rejected} rejected"
    said = result.reason or (counts if result.outcome == "loaded" else "")
    return f"{result.key}: {result.outcome}{f', {said}' if said else ''} ({result.seconds:.2f} s)"


def summary(results: list[LoadResult]) -> dict[str, int]:
    """Return the counts of a run: objects by outcome, and the records of what was loaded."""
    outcomes = Counter(f"objects_{result.outcome}" for result in results)
    loaded = [result for result in results if result.outcome == "loaded"]
    return {
        **outcomes,
        "received": sum(result.received for result in loaded),
        "loaded": sum(result.loaded for result in loaded),
        "rejected": sum(result.rejected for result in loaded),
    }
