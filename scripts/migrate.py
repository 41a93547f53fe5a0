"""Bring the warehouse to its current shape. Invariant: running it again changes nothing.

The revisions in ``scripts/warehouse/migrations`` are plain SQL. The raw table and view of each
declared source are derived from its declaration, so a new source needs no revision.
"""

from pathlib import Path

import psycopg
import typer
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from scripts.cli import run_cli
from scripts.load.contract import key_columns
from scripts.settings import admin_dsn_from_env, role_passwords_from_env
from scripts.warehouse.connection import connect
from sources import SOURCES, Source

_MIGRATIONS = Path(__file__).parent / "warehouse" / "migrations"


def migrate(dsn: str, passwords: dict[str, str] | None = None) -> None:
    """Apply the revisions as the database's owner and create what each source needs.

    Args:
        dsn: a role that owns the database and may create roles; no superuser is needed.
        passwords: login passwords by role name; a role that is absent keeps its own.
    """
    with connect(dsn) as connection:
        connection.execute("create schema if not exists ops")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool
    )
    with engine.begin() as alembic_connection:
        config.attributes["connection"] = alembic_connection
        command.upgrade(config, "head")
    with connect(dsn) as connection:
        for source in SOURCES.values():
            create_raw(connection, source)
        for role, password in (passwords or {}).items():
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(role), password)
            )


def create_raw(connection: psycopg.Connection, source: Source) -> None:
    """Create ``raw.<source>_rows`` (rows of every load) and the view ``raw.<source>`` (current)."""
    columns = key_columns(source)
    connection.execute("set local role loader")
    connection.execute(
        sql.SQL(
            """
            create table if not exists raw.{rows} (
                load_id bigint not null,
                position bigint not null,
                {keys},
                payload jsonb not null,
                primary key (load_id, position)
            )
            """
        ).format(
            rows=sql.Identifier(f"{source.name}_rows"),
            keys=sql.SQL(", ").join(
                sql.SQL("{} {} not null").format(sql.Identifier(name), sql.SQL(type_))
                for name, type_ in columns.items()
            ),
        )
    )
    connection.execute(
        sql.SQL(
            """
            create or replace view raw.{view} as
            select loads.day, raw_rows.load_id, raw_rows.position, {keys}, raw_rows.payload,
                loads.loaded_at
            from raw.{rows} as raw_rows
            inner join ops.loads as loads on loads.load_id = raw_rows.load_id
            where loads.is_current
            """
        ).format(
            view=sql.Identifier(source.name),
            rows=sql.Identifier(f"{source.name}_rows"),
            keys=sql.SQL(", ").join(sql.Identifier("raw_rows", name) for name in columns),
        )
    )
    connection.execute("reset role")


def main() -> None:
    """Create or update schemas, tables, roles and grants of the warehouse (safe to repeat).

    Reads PIPELINE_WAREHOUSE_ADMIN_DSN, and for each of the roles loader, transformer and reader
    the variable PIPELINE_<ROLE>_PASSWORD, where it is set.
    """
    migrate(admin_dsn_from_env(), role_passwords_from_env())
    typer.echo("the warehouse is at its current shape")


if __name__ == "__main__":
    run_cli(main)
