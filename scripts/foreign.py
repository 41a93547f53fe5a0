"""What lies in the landing zone and is no day of a declared source. Invariant: told once, ever.

It is left alone: it may be somebody's notes, or a day under a name that nobody reads.
"""

from collections.abc import Iterable

from scripts.keys import RAW, raw_prefix
from scripts.ledger import plain_errors
from scripts.sources import SOURCES
from scripts.store import Store
from scripts.warehouse import connect


def undeclared(store: Store) -> list[str]:
    """Return what lies beside the declared sources, folders as one: a single request."""
    declared = {raw_prefix(name) for name in SOURCES}
    return [name for name in store.children(RAW) if name not in declared]


def not_told_yet(dsn: str, keys: Iterable[str]) -> list[str]:
    """Note the keys as told, and return those that never were before. Raises UnavailableError."""
    with connect(dsn) as connection, plain_errors():
        rows = connection.execute(
            """
            insert into ops.foreign_keys (key) select unnest(%s::text[])
            on conflict do nothing returning key
            """,
            [list(keys)],
        )
        return sorted(key for (key,) in rows)
