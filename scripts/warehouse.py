"""The door to the warehouse. Invariant: an error that leaves here never carries a password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from scripts.errors import UnavailableError


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
