"""The benchmark's own Postgres. Invariant: before each measurement its tables are new and empty.

fsync is on. The settings differ from PostgreSQL's defaults only by `OPTIONS`, so that the
checkpoint of one measurement does not affect the next one.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from benchmarks.measure import tree_cpu
from local.postgres import PostgresServer
from local.processes import free_port
from scripts.migrate import migrate

OPTIONS = ("shared_buffers=512MB", "max_wal_size=16GB")
TWINS = ("limit_rows", "hook_rows")  # the same kind of table as raw.posts_rows
_WHOLE = "whole_rows"  # the table of earlier releases


@dataclass(frozen=True)
class Warehouse:
    """A migrated warehouse, and a second database that the peers may change freely."""

    server: PostgresServer
    loader_password: str

    @property
    def loader(self) -> str:
        """DSN of the warehouse as role loader."""
        return self.server.dsn("warehouse", "loader", self.loader_password)

    @property
    def peers(self) -> str:
        """DSN of the peers' database as its owner."""
        return self.server.dsn("peers")

    def transformer(self) -> str:
        """Give role transformer a new password, and return its DSN of the warehouse."""
        password = secrets.token_hex()
        with psycopg.connect(self.server.dsn("warehouse"), autocommit=True) as connection:
            connection.execute(sql.SQL("alter role transformer password {}").format(password))
        return self.server.dsn("warehouse", "transformer", password)

    def reset(self) -> None:
        """Empty every table."""
        with psycopg.connect(self.server.dsn("peers"), autocommit=True) as connection:
            connection.execute("drop schema if exists posts cascade")
            connection.execute("drop schema if exists posts_staging cascade")
            connection.execute("create schema posts")
            connection.execute(_TYPED)
        with psycopg.connect(self.server.dsn("warehouse"), autocommit=True) as connection:
            connection.execute("truncate ops.loads, ops.rejects, raw.posts_rows")
            for twin in (*TWINS, _WHOLE):
                connection.execute(
                    sql.SQL("truncate {}").format(sql.Identifier("raw", twin)),
                )

    def settle(self) -> None:
        """Flush earlier writes, so that they do not count in the next measurement."""
        with psycopg.connect(self.server.dsn("peers"), autocommit=True) as connection:
            connection.execute("checkpoint")

    def cpu(self) -> float:
        """Return the CPU seconds of the server's processes, including ended ones."""
        return tree_cpu(psutil.Process(self.server.pid()))

    def count(self, database: str, table: str) -> int:
        """Return the number of rows in a table. `table` is an SQL name."""
        with psycopg.connect(self.server.dsn(database)) as connection:
            query = sql.SQL("select count(*) from {}").format(sql.SQL(table))
            row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    def bytes(self) -> int:
        """Return the size of the table of all loads, with its indexes."""
        with psycopg.connect(self.loader) as connection:
            row = connection.execute("select pg_total_relation_size('raw.posts_rows')").fetchone()
        return int(row[0]) if row else 0

    def vacuum(self) -> None:
        """Vacuum the table of all loads, as autovacuum does within about a minute."""
        with psycopg.connect(self.loader, autocommit=True) as connection:
            connection.execute("vacuum raw.posts_rows")

    def version(self) -> str:
        """Return the server's version."""
        with psycopg.connect(self.loader) as connection:
            return connection.info.parameter_status("server_version") or "?"


_TYPED = """
    create table posts.typed_rows (
        "userId" bigint not null, id bigint not null, title text not null, body text not null,
        primary key (id)
    )
"""
_WHOLE_ROWS = """
    create table raw.whole_rows (
        load_id bigint not null, position bigint not null, id bigint not null,
        payload jsonb not null, primary key (load_id, position)
    )
"""


@contextmanager
def running_warehouse() -> Iterator[tuple[Warehouse, Path]]:
    """Yield a warehouse on a server that stops when the block ends, and an empty folder."""
    with tempfile.TemporaryDirectory(prefix="elt-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root the server runs as another user
        password = secrets.token_hex()
        server = PostgresServer(folder / "data", free_port(), password, options=OPTIONS)
        server.create()
        server.start()
        try:
            warehouse = Warehouse(server, secrets.token_hex())
            _create(warehouse)
            yield warehouse, folder
        finally:
            server.stop("immediate")


def _create(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create database warehouse")
        connection.execute("create database peers")
    migrate(warehouse.server.dsn("warehouse"), {"loader": warehouse.loader_password})
    with psycopg.connect(warehouse.server.dsn("warehouse"), autocommit=True) as connection:
        connection.execute(_WHOLE_ROWS)
        for twin in TWINS:
            table = sql.Identifier("raw", twin)
            create = sql.SQL("create table {} (like raw.posts_rows including all)")
            connection.execute(create.format(table))
        for twin in (*TWINS, _WHOLE):
            grant = sql.SQL("grant select, insert, delete, truncate on {} to loader")
            connection.execute(grant.format(sql.Identifier("raw", twin)))
