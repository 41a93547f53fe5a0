"""The ledger ``ops.loads``. Invariant: at most one load of a day is current, set under its lock."""

from datetime import date, datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from scripts.errors import demand
from scripts.landing.store import ObjectInfo

_INSERT = """
    insert into ops.loads (
        load_id, source, day, key, etag, last_modified, bytes, version_id, sha256, state,
        reason, received, loaded, rejected, new_fields, seconds, run_id, day_kind, as_of, is_current
    ) values (
        %(load_id)s, %(source)s, %(day)s, %(key)s, %(etag)s, %(last_modified)s, %(size)s,
        %(version_id)s, %(sha256)s, %(state)s, %(reason)s, %(received)s, %(loaded)s,
        %(rejected)s, %(new_fields)s, %(seconds)s, %(run_id)s, %(day_kind)s, %(as_of)s,
        %(state)s = 'loaded'
    )
"""


class LedgerEntry(msgspec.Struct, frozen=True):
    """The row of one load, except whether it is current.

    `as_of` is when the API was asked, if the object does not tell how things were on its day.
    """

    load_id: int
    source: str
    day: date
    info: ObjectInfo
    day_kind: str
    version_id: str | None = None
    sha256: str | None = None
    received: int = 0
    loaded: int = 0
    rejected: int = 0
    new_fields: list[str] = msgspec.field(default_factory=list)
    seconds: float = 0
    run_id: str | None = None
    as_of: datetime | None = None


class CurrentLoad(msgspec.Struct, frozen=True):
    """The load whose rows are the rows of its day."""

    load_id: int
    sha256: str
    received: int
    loaded: int
    rejected: int


def next_load_id(connection: psycopg.Connection) -> int:
    """Return a load_id that is never used twice."""
    row = connection.execute("select nextval('ops.load_id')").fetchone()
    return int(row[0]) if row else 0


def current_load(connection: psycopg.Connection, source: str, day: date) -> CurrentLoad | None:
    """Return the current load of a day, or None when the day has never been loaded."""
    cursor = connection.cursor(row_factory=class_row(CurrentLoad))
    return cursor.execute(
        """
        select load_id, sha256, received, loaded, rejected from ops.loads
        where source = %s and day = %s and is_current
        """,
        (source, day),
    ).fetchone()


def last_published_at(connection: psycopg.Connection[Any]) -> datetime | None:
    """Return when the marts were last published, or None before the first time."""
    row = connection.execute("select max(published_at) from ops.loads").fetchone()
    return row[0] if row else None


def lock_day(connection: psycopg.Connection, source: str, day: date) -> None:
    """Lock a day of a source until the transaction ends."""
    connection.execute(
        """
        insert into ops.day_locks (source, day) values (%s, %s)
        on conflict (source, day) do update set source = excluded.source
        """,
        (source, day),
    )


def make_current(
    connection: psycopg.Connection, entry: LedgerEntry, replaced: CurrentLoad | None
) -> None:
    """Make a load the current load of its day, instead of the previous one."""
    if replaced:
        found = connection.execute(
            "update ops.loads set is_current = false where load_id = %s and is_current",
            (replaced.load_id,),
        ).rowcount
        demand(found == 1, f"load {replaced.load_id} was replaced twice")
    _insert(connection, entry, state="loaded", reason=None)


def withdraw(connection: psycopg.Connection, source: str, day: date) -> bool:
    """Take a day out of the warehouse, in one transaction. Return whether the ledger knows it.

    Its history stays, but no load is current, and a parked object is forgotten.
    """
    values = (source, day)
    with connection.transaction():
        lock_day(connection, source, day)
        found = connection.execute(
            "select count(*) from ops.loads where source = %s and day = %s", values
        ).fetchone()
        connection.execute(
            "update ops.loads set is_current = false where source = %s and day = %s and is_current",
            values,
        )
        connection.execute(
            "delete from ops.loads where source = %s and day = %s and state = 'parked'", values
        )
    return found != (0,)


def refresh_listing(
    connection: psycopg.Connection, load_id: int, info: ObjectInfo, version_id: str | None
) -> None:
    """Record a new listing of the object of a load. Its content is the same."""
    connection.execute(
        """
        update ops.loads set etag = %s, last_modified = %s, bytes = %s, version_id = %s
        where load_id = %s
        """,
        (info.etag, info.last_modified, info.size, version_id, load_id),
    )


def find_parked(connection: psycopg.Connection, entry: LedgerEntry, reason: str) -> int | None:
    """Return the load_id under which the same object is already parked for the same reason."""
    row = connection.execute(
        """
        select load_id from (
            select * from ops.loads where key = %(key)s order by load_id desc limit 1
        ) as latest
        where state = 'parked' and reason = %(reason)s and etag = %(etag)s
            and last_modified = %(last_modified)s and bytes = %(size)s
            and version_id is not distinct from %(version_id)s
        """,
        {**vars(entry.info), "reason": reason, "version_id": entry.version_id},
    ).fetchone()
    return int(row[0]) if row else None


def park(connection: psycopg.Connection, entry: LedgerEntry, reason: str) -> None:
    """Record that an object is parked, and why. The current load stays current."""
    _insert(connection, entry, state="parked", reason=reason)


def _insert(
    connection: psycopg.Connection, entry: LedgerEntry, *, state: str, reason: str | None
) -> None:
    row = {**msgspec.structs.asdict(entry), **vars(entry.info), "state": state, "reason": reason}
    connection.execute(_INSERT, {**row, "info": None})
