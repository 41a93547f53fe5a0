"""Roles, schemas and owners. Invariant: the owner runs no code that a lesser role can have written.

The role that migrates owns every schema, and every table and view of ``ops`` and ``raw``. The other
roles have grants. Only in staging, build and marts may transformer create tables, and there the
owner reads and writes nothing.
"""

from pathlib import Path
from typing import Any

import psycopg

from scripts.errors import ConfigurationError

_SQL = Path(__file__).parent / "migrations"
_OF_LESSER_ROLES = """
    select coalesce(array_agg(pg_class.oid), '{}'),
        coalesce(bool_or(relname = 'alembic_version'), false)
    from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where nspname in ('ops', 'raw')
        and relowner in (select oid from pg_roles where rolname in ('loader', 'transformer'))
"""


def create_frame(connection: psycopg.Connection[Any]) -> None:
    """Create roles and schemas, and take over what lesser roles owned in an earlier release.

    Args:
        connection: as the owner of the database, in a transaction.

    Raises:
        ConfigurationError: a table that is taken over has code on it, which no release has created.
    """
    connection.execute(_text("frame"))
    [(taken, has_version)] = connection.execute(_OF_LESSER_ROLES).fetchall()
    # Owners first: from then on nobody else can add code. An error takes everything back.
    connection.execute(_text("take_over"))
    found = [what for (what,) in connection.execute(_text("foreign_code"), {"taken": taken})]
    if has_version:  # who owned the schema could replace it
        found.append("ops.alembic_version, which is not of the owner")
    if found:
        raise ConfigurationError(
            f"{'; '.join(found)}: no release of this pipeline has created that, so somebody with "
            "the login of loader or transformer has. Nothing was changed. Find out who, drop it, "
            "then run this again"
        )


def _text(name: str) -> bytes:
    return (_SQL / f"{name}.sql").read_bytes()
