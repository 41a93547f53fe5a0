"""The door to the warehouse. Invariant: an error that leaves here never carries a password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from scripts.errors import ConfigurationError, RefusedError, UnavailableError


@contextmanager
def connect(dsn: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
    """Connect for the length of a block; raises UnavailableError that names host and database."""
    try:
        connection = psycopg.connect(dsn, **{"connect_timeout": 10, **options})
    except psycopg.OperationalError as error:
        place = psycopg.conninfo.conninfo_to_dict(dsn)
        where = f"{place.get('host')}:{place.get('port')}/{place.get('dbname')}"
        reason = str(error).splitlines()[0]
        raise UnavailableError(f"warehouse {where} as {place.get('user')}: {reason}") from None
    with connection:
        yield connection


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
