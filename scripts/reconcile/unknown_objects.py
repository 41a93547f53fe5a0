"""What lies in the landing zone and is no day of a declared source. Invariant: told once, ever.

It is left alone: it may be somebody's notes, or a day under a name that nobody reads.
"""

from collections.abc import Iterable

from scripts.landing.keys import RAW, raw_prefix
from scripts.landing.store import Store
from scripts.warehouse.connection import connect, plain_errors
from sources import SOURCES


def find_undeclared(store: Store) -> list[str]:
    """Return what lies beside the declared sources, folders as one: a single request."""
    declared = {raw_prefix(name) for name in SOURCES}
    return [name for name in store.children(RAW) if name not in declared]


def claim_unreported(dsn: str, keys: Iterable[str]) -> list[str]:
    """Note the keys as told, and return those that never were before. Raises UnavailableError."""
    with connect(dsn) as connection, plain_errors():
        rows = connection.execute(
            """
            insert into ops.unknown_objects (key) select unnest(%s::text[])
            on conflict do nothing returning key
            """,
            [list(keys)],
        )
        return sorted(key for (key,) in rows)
