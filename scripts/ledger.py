"""``ops.loads``: which load of a day is current. Invariant: at most one, changed under its lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import msgspec
import psycopg
from psycopg.rows import class_row

from scripts.errors import ConfigurationError, RefusedError, UnavailableError
from scripts.store import Listed


class Entry(msgspec.Struct, frozen=True):
    """What the ledger keeps of one load, apart from whether it is current."""

    load_id: int
    source: str
    day: date
    listed: Listed
    version_id: str | None
    sha256: str | None
    received: int
    loaded: int
    rejected: int
    new_fields: list[str]
    seconds: float
    run_id: str | None


class Current(msgspec.Struct, frozen=True):
    """The load whose rows are a day's rows now."""

    load_id: int
    sha256: str
    received: int
    loaded: int
    rejected: int


def next_load_id(connection: psycopg.Connection) -> int:
    """Return a load_id that no load has had or will have."""
    row = connection.execute("select nextval('ops.load_id')").fetchone()
    return int(row[0]) if row else 0


def current_load(connection: psycopg.Connection, source: str, day: date) -> Current | None:
    """Return the current load of a day, or None when the day has never been loaded."""
    cursor = connection.cursor(row_factory=class_row(Current))
    return cursor.execute(
        """
        select load_id, sha256, received, loaded, rejected from ops.loads
        where source = %s and day = %s and is_current
        """,
        (source, day),
    ).fetchone()


def lock_day(connection: psycopg.Connection, source: str, day: date) -> None:
    """Wait for, and hold until the transaction ends, the right to change a day of a source."""
    connection.execute(
        "select pg_advisory_xact_lock(hashtext(%s), %s)", (f"load {source}", day.toordinal())
    )


def make_current(connection: psycopg.Connection, entry: Entry, replaced: Current | None) -> None:
    """Make a load the current one of its day, in place of the one before."""
    if replaced:
        connection.execute(
            "update ops.loads set is_current = false where load_id = %s", (replaced.load_id,)
        )
    _insert(connection, entry, state="loaded", reason=None)


def refresh_listing(
    connection: psycopg.Connection, load_id: int, listed: Listed, version_id: str | None
) -> None:
    """Note that the object behind a load is listed anew with the same content."""
    connection.execute(
        """
        update ops.loads set etag = %s, last_modified = %s, bytes = %s, version_id = %s
        where load_id = %s
        """,
        (listed.etag, listed.last_modified, listed.size, version_id, load_id),
    )


def find_parked(connection: psycopg.Connection, entry: Entry, reason: str) -> int | None:
    """Return the load_id under which this very object is parked for this reason already."""
    row = connection.execute(
        """
        select load_id from (
            select * from ops.loads where key = %s order by load_id desc limit 1
        ) as latest
        where state = 'parked' and reason = %s and etag = %s and last_modified = %s
            and bytes = %s and version_id is not distinct from %s
        """,
        (
            entry.listed.key,
            reason,
            entry.listed.etag,
            entry.listed.last_modified,
            entry.listed.size,
            entry.version_id,
        ),
    ).fetchone()
    return int(row[0]) if row else None


def park(connection: psycopg.Connection, entry: Entry, reason: str) -> None:
    """Note that an object was refused, and why; what is current stays current."""
    _insert(connection, entry, state="parked", reason=reason)


def _insert(
    connection: psycopg.Connection, entry: Entry, *, state: str, reason: str | None
) -> None:
    connection.execute(
        """
        insert into ops.loads (
            load_id, source, day, key, etag, last_modified, bytes, version_id, sha256, state,
            reason, received, loaded, rejected, new_fields, seconds, run_id, is_current
        ) values (
            %(load_id)s, %(source)s, %(day)s, %(key)s, %(etag)s, %(last_modified)s, %(size)s,
            %(version_id)s, %(sha256)s, %(state)s, %(reason)s, %(received)s, %(loaded)s,
            %(rejected)s, %(new_fields)s, %(seconds)s, %(run_id)s, %(state)s = 'loaded'
        )
        """,
        {
            **msgspec.structs.asdict(entry),
            **{n: getattr(entry.listed, n) for n in ("key", "etag", "last_modified", "size")},
            "listed": None,
            "state": state,
            "reason": reason,
        },
    )


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of PostgreSQL into ours, in one line that names no value of any row.

    Raises:
        RefusedError: a row holds what its column cannot.
        ConfigurationError: a table or a right is missing.
        UnavailableError: anything else; whether a commit took place may then be unknown.
    """
    try:
        yield
    except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
        raise RefusedError(f"PostgreSQL refuses a row: {_line(error)}") from error
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        raise ConfigurationError(
            f"warehouse: {_line(error)}; bring it up to date with `python -m scripts.migrate`"
        ) from error
    except psycopg.Error as error:
        raise UnavailableError(f"warehouse: {_line(error)}") from error


def _line(error: psycopg.Error) -> str:
    """Return the error's own message; DETAIL and CONTEXT would repeat data."""
    return error.diag.message_primary or (str(error).splitlines() or [type(error).__name__])[0]
