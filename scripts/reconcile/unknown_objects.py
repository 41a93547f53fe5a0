"""Objects in the landing zone that are not a day of a declared source. Invariant: reported once.

They are not touched: one may be a note, or a day under a source name that is not declared.
"""

import logging
from collections.abc import Iterable, Iterator

from scripts.errors import PipelineError
from scripts.landing.keys import FIRST_DAY, RAW, raw_key, raw_prefix
from scripts.landing.store import Store
from scripts.warehouse.connection import connect, plain_errors
from sources import SOURCES

MOST_NAMES = 100  # of one list in an XCom, an event or a line of a log
_log = logging.getLogger(__name__)


def find_undeclared(store: Store) -> list[str]:
    """Return what is beside the declared sources, a folder as one entry, with a single request."""
    declared = {raw_prefix(name) for name in SOURCES}
    return [name for name in store.children(RAW) if name not in declared]


def find_impossible_days(store: Store) -> list[str]:
    """Return the keys that sort before those of the first possible day, where no survey looks."""
    return [key for name in SOURCES for key in _before(store, name, raw_key(name, FIRST_DAY))]


def _before(store: Store, source: str, first: str) -> Iterator[str]:
    for info in store.list(raw_prefix(source)):
        if info.key >= first:
            return
        yield info.key


def log_unknown(dsn: str, keys: Iterable[str]) -> None:
    """Log the keys that were not reported before. A failure is logged: it stops nothing else."""
    try:
        new = claim_unreported(dsn, keys)
    except PipelineError as error:
        _log.warning("cannot record unknown objects: %s", error)
        return
    if new:
        first = ", ".join(new[:MOST_NAMES])
        _log.warning("%s objects of no declared source, not touched: %s", len(new), first)


def claim_unreported(dsn: str, keys: Iterable[str]) -> list[str]:
    """Record keys as reported, and return the new ones. Raises UnavailableError."""
    with connect(dsn) as connection, plain_errors():
        rows = connection.execute(
            """
            insert into ops.unknown_objects (key) select unnest(%s::text[])
            on conflict do nothing returning key
            """,
            [list(keys)],
        )
        return sorted(key for (key,) in rows)
