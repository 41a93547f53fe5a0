"""Connections to the warehouse. Invariant: an error raised here never contains a password."""

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any

import psycopg

from scripts.errors import UNTRUSTED, ConfigurationError, InvalidDataError, UnavailableError

_log = logging.getLogger(__name__)
# Our texts are UTF-8, whatever the environment, the role or the database prefers.
ENCODING = "utf8"
# A server whose machine is gone sends nothing. It is noticed after a minute, not after two hours.
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
# A table or function of another role cannot stand in for one that a statement of the owner means.
OWNER_OPTIONS = "-c search_path=pg_catalog,pg_temp"


@contextmanager
def connect(dsn: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
    """Connect for the length of a block. An error names host, database and role.

    Raises:
        ConfigurationError: the server's certificate is not trusted.
        UnavailableError: there is no connection for another reason.
    """
    try:
        connection = psycopg.connect(
            dsn, **{"connect_timeout": 10, **_KEEPALIVES, **options, "client_encoding": ENCODING}
        )
    except psycopg.OperationalError as error:
        place = psycopg.conninfo.conninfo_to_dict(dsn)
        where = f"{place.get('host')}:{place.get('port')}/{place.get('dbname')}"
        reason = str(error).splitlines()[0]
        line = f"warehouse {where} as {place.get('user')}: {reason}"
        if UNTRUSTED.search(reason):
            raise ConfigurationError(f"{line}. Correct sslmode, sslrootcert or the host") from None
        raise UnavailableError(line) from None
    has_choice = "sslmode" in psycopg.conninfo.conninfo_to_dict(dsn)
    is_encrypted = connection.pgconn.ssl_in_use or has_choice
    if not is_encrypted and leaves_this_machine(connection.info.hostaddr):
        _warn_once(connection.info.host)
    with connection:
        yield connection


def leaves_this_machine(address: str) -> bool:
    """Return whether a server's address is on another machine. A socket has no address."""
    return bool(address) and not ip_address(address).is_loopback


@cache
def _warn_once(host: str) -> None:
    _log.warning(
        "the connection to %s is not encrypted. Set sslmode=verify-full, or sslmode=disable if the "
        "network is private",
        host,
    )


def connect_as_owner(
    dsn: str, *, autocommit: bool = False
) -> AbstractContextManager[psycopg.Connection[Any]]:
    """Connect as the owner of the warehouse, for the length of a block."""
    return connect(dsn, autocommit=autocommit, options=OWNER_OPTIONS)


# SQLSTATE classes by recovery; PostgreSQL's documentation, appendix A, lists them.
_DATA = {"22", "23", "54"}  # a value, a constraint, a limit of the server
_TRANSIENT = {"08", "25", "40", "53", "55", "57", "58"}  # connection, failover, deadlock, no space
_QUOTED = re.compile(r'"[^"]*"?')  # in errors of class 22 it is the value that was refused
_OUR_PROTOCOL = "08P01"  # bytes of ours that do not fit the table: the same again on every try


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of PostgreSQL into ours, in one line that contains no value of any row.

    Raises:
        InvalidDataError: a row has a value that its column does not accept.
        ConfigurationError: a table, a column or a right is missing or differs.
        UnavailableError: the warehouse is away, and whether a commit took place may be unknown.
    """
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state[:2] in _DATA:
            raise InvalidDataError(f"PostgreSQL refuses a row: {_line(error)}") from error
        if state == _OUR_PROTOCOL or (state and state[:2] not in _TRANSIENT):
            raise ConfigurationError(
                f"warehouse: {_line(error)}. Bring it up to date: `python -m scripts.migrate`"
            ) from error
        raise UnavailableError(f"warehouse: {_line(error)}") from error


def _line(error: psycopg.Error) -> str:
    """Return the error's own message. DETAIL, CONTEXT and quoted values would repeat data."""
    line = error.diag.message_primary or (str(error).splitlines() or [type(error).__name__])[0]
    return _QUOTED.sub('"…"', line) if (error.sqlstate or "").startswith("22") else line
