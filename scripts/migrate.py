"""Migrate the warehouse to its current shape. Invariant: idempotent.

The revisions in ``scripts/warehouse/migrations`` are plain SQL. The raw table and view of each
declared source are derived from its declaration, so a new source needs no revision.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from scripts.cli import run_cli
from scripts.errors import ConfigurationError
from scripts.load.raw_rows import raw_rows
from scripts.load.raw_tables import create_record_keys
from scripts.load.record_key import read_missing_keys
from scripts.settings import admin_dsn_from_env, role_passwords_from_env
from scripts.warehouse.connection import (
    ENCODING,
    OWNER_OPTIONS,
    connect_as_owner,
    plain_errors,
)
from scripts.warehouse.managed import Logins, described, logins, secrets_manager
from scripts.warehouse.ownership import create_frame
from sources import SOURCES

_OLDEST_SERVER = 17_00_00
_MIGRATIONS = Path(__file__).parent / "warehouse" / "migrations"


def migrate(dsn: str, passwords: dict[str, str] | None = None) -> None:
    """Apply the revisions as the owner of the database, and adapt the tables of each source.

    Args:
        dsn: a role that owns the database and may create roles. It need not be a superuser.
        passwords: login passwords by role name. A role that is not named keeps its password.

    Raises:
        ConfigurationError: a raw table cannot be adapted to its changed contract, or the database
            cannot store every text, or the server is older than PostgreSQL 17.
        UnavailableError: the warehouse does not answer, or a table was locked for too long.
    """
    with connect_as_owner(dsn) as connection, plain_errors():
        _check_server(connection)
        create_frame(connection)
    _upgrade(dsn)
    refused = []
    with connect_as_owner(dsn, autocommit=True) as connection, plain_errors():
        for source in SOURCES.values():
            try:
                with connection.transaction():
                    raw_rows(connection, source).ensure()
                    read_missing_keys(connection, source)
            except ConfigurationError as error:  # adapt the other tables all the same
                refused.append(str(error))
        with connection.transaction():
            create_record_keys(connection)
        for role, password in (passwords or {}).items():
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(role), password)
            )
    if refused:
        raise ConfigurationError("; ".join(refused))


def _check_server(connection: psycopg.Connection[Any]) -> None:
    if connection.info.server_version < _OLDEST_SERVER:
        version = connection.info.parameter_status("server_version")
        raise ConfigurationError(f"the server is PostgreSQL {version}. Use 17 or newer")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {connection.info.dbname} has the encoding {encoding}, which changes"
            " texts. Create it with encoding UTF8"
        )


def _upgrade(dsn: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_engine(
        "postgresql+psycopg://",
        creator=partial(psycopg.connect, dsn, client_encoding=ENCODING, options=OWNER_OPTIONS),
        poolclass=NullPool,
    )
    with plain_errors():
        try:
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except DBAPIError as error:
            raise error.orig or error from None


def migrate_managed(logins: Logins) -> list[str]:
    """Migrate a managed warehouse. Return the secrets that were written.

    Passwords are set before they are saved. Killed in between, the same command sets them again.
    """
    migrate(logins.owner, logins.passwords)
    return logins.save()


def main(
    *,
    is_managed: Annotated[
        bool,
        typer.Option("--managed", help="the warehouse is Terraform's output on standard input"),
    ] = False,
    ca_file: Annotated[
        str, typer.Option(help="its certificates, as a path on the pipeline's machines")
    ] = "system",
    rotate: Annotated[bool, typer.Option("--rotate", help="give its roles new passwords")] = False,
) -> None:
    """Create or update schemas, tables, roles and grants of the warehouse (idempotent).

    Reads PIPELINE_WAREHOUSE_ADMIN_DSN, and for each of the roles loader, transformer and reader
    the variable PIPELINE_<ROLE>_PASSWORD, if it is set. With --managed it reads the secrets that
    Terraform has made instead, and writes the connection of each role into its own:
    `terraform -chdir=terraform output -json warehouse | python -m scripts.migrate --managed`.
    """
    if is_managed:
        tls = {"sslmode": "verify-full", "sslrootcert": ca_file}
        found = logins(described(sys.stdin.buffer.read()), secrets_manager(), tls, rotates=rotate)
        for name in migrate_managed(found):
            typer.echo(f"wrote the secret {name}")
    else:
        migrate(admin_dsn_from_env(), role_passwords_from_env())
    typer.echo("the warehouse is up to date")


if __name__ == "__main__":
    run_cli(main)
