"""A dbt project on the warehouse of a test, and the raw rows that it reads."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
from dbt.cli.main import dbtRunner
from dbt_common.events.base_types import EventMsg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from local.postgres import PostgresServer
from sources import SOURCES
from tests.conftest import Warehouse

PROJECT = Path(__file__).parents[3] / "dbt"

Post = dict[str, Any]


def post(number: int, title: str = "title", body: str = "a\nbody", author: int = 1) -> Post:
    """Return a post as the API sends it."""
    return {"userId": author, "id": number, "title": title, "body": body}


def comment(number: int, post_id: int) -> Post:
    """Return a comment as the API sends it."""
    return {"postId": post_id, "id": number, "name": "n", "email": "e@x.org", "body": "b"}


def user(number: int, name: str = "A B") -> Post:
    """Return a user as the API sends it, without the fields that no model reads."""
    return {
        "id": number,
        "name": name,
        "username": f"u{number}",
        "email": "u@x.org",
        "website": "x.org",
        "address": {"city": "C"},
        "company": {"name": "D"},
    }


def earthquake(name: str, moment: datetime, mag: float | None = 3) -> Post:
    """Return an earthquake as the API sends it, without the fields that no model reads."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    facts = {"mag": mag, "place": "P", "time": milliseconds, "updated": milliseconds + 86_400_000}
    return {"id": name, "properties": facts}


class Loader:
    """Writes raw rows and ledger rows as the load step does: a day's content in one commit."""

    def __init__(self, warehouse: Warehouse, source: str = "posts") -> None:
        self._dsn = warehouse.loader
        self._source = source
        self._day_kind = SOURCES[source].day.kind if source in SOURCES else "snapshot"

    def load(self, day: date, posts: Sequence[Post], *, rejects: Sequence[Any] = ()) -> int:
        """Make these records the content of the day. Return the load's id.

        `rejects` are the keys of rejected records, None for one that cannot be read.
        """
        columns = {column.name: column.parts[0] for column in SOURCES[self._source].columns}
        with psycopg.connect(self._dsn) as connection:
            row = connection.execute("select nextval('ops.load_id')").fetchone()
            assert row is not None
            load_id = int(row[0])
            self._supersede(connection, day)
            connection.execute(
                """
                insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes,
                    sha256, state, received, loaded, rejected, seconds, is_current, day_kind)
                values (%s, %s, %s, %s, 'etag', now(), 1, 'ab', 'loaded', %s, %s, %s, 1, true, %s)
                """,
                (
                    load_id,
                    self._source,
                    day,
                    f"raw/{self._source}/{day}.json",
                    len(posts) + len(rejects),
                    len(posts),
                    len(rejects),
                    self._day_kind,
                ),
            )
            with connection.cursor() as cursor:
                insert = sql.SQL("insert into raw.{} ({}) values ({})").format(
                    sql.Identifier(f"{self._source}_rows"),
                    sql.SQL(", ").join(map(sql.Identifier, ["load_id", "position", *columns])),
                    sql.SQL(", ").join([sql.SQL("%s")] * (2 + len(columns))),
                )
                rows = [[post.get(field) for field in columns.values()] for post in posts]
                values = [
                    (load_id, at, *(Jsonb(v) if isinstance(v, dict) else v for v in row))
                    for at, row in enumerate(rows)
                ]
                cursor.executemany(insert, values)
                cursor.executemany(
                    "insert into ops.rejects values (%s, %s, 0, 1, null, 'r', '', 1, '', %s)",
                    [
                        (load_id, len(posts) + at, Jsonb({} if key is None else {"id": key}))
                        for at, key in enumerate(rejects)
                    ],
                )
        return load_id

    def withdraw(self, day: date) -> None:
        """Remove the content of the day, as if it had never been loaded."""
        with psycopg.connect(self._dsn) as connection:
            self._supersede(connection, day)

    def _supersede(self, connection: psycopg.Connection, day: date) -> None:
        connection.execute(
            "update ops.loads set is_current = false where source = %s and day = %s",
            (self._source, day),
        )


class Dbt:
    """Runs dbt in this process, as the role transformer."""

    def __init__(self, warehouse: Warehouse, state: Path, project: Path = PROJECT) -> None:
        self.warehouse = warehouse
        self._manifest: Any = None
        place = conninfo_to_dict(warehouse.transformer)
        self._environment = {
            "DBT_HOST": str(place["host"]),
            "DBT_PORT": str(place["port"]),
            "DBT_USER": str(place["user"]),
            "DBT_PASSWORD": str(place["password"]),
            "DBT_DBNAME": str(place["dbname"]),
            "DBT_PROJECT_DIR": str(project),
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(state / "target"),
            "DBT_LOG_LEVEL_FILE": "none",  # dbt leaves the file open
            "DBT_WRITE_JSON": "false",
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        }

    def invoke(self, *arguments: str, env: Mapping[str, str] | None = None) -> Any:
        """Run a dbt command. The result contains its failure."""
        return self._invoke(arguments, [], env or {})

    def run(self, *arguments: str) -> None:
        """Build without tests. Raise AssertionError with the failed nodes."""
        result = self.invoke("run", *arguments)
        assert result.success, failures(result) or result.exception

    def build(self, *arguments: str) -> None:
        """Build and test. Raise AssertionError with the failed nodes."""
        result = self.invoke("build", *arguments)
        assert result.success, failures(result) or result.exception

    def publish(self) -> None:
        """Publish. Raise AssertionError with the reason if it fails."""
        problem = self.publish_problem()
        assert not problem, problem

    def publish_problem(self, env: Mapping[str, str] | None = None) -> str:
        """Try to publish. Return dbt's error message, or an empty text on success."""
        events: list[Any] = []
        result = self._invoke(("run-operation", "publish"), [events.append], env or {})
        errors = [event.info.msg for event in events if event.info.level == "error"]
        assert result.success is not bool(errors)
        return "\n".join(errors)

    def rows(self, query: str | sql.Composed, role: str = "transformer") -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(getattr(self.warehouse, role)) as connection:
            return connection.execute(query).fetchall()

    def _invoke(
        self,
        arguments: Sequence[str],
        callbacks: list[Callable[[EventMsg], None]],
        env: Mapping[str, str],
    ) -> Any:
        # In a thread, because dbt inspects its whole call stack, which is deep under pytest.
        with (
            mock.patch.dict(os.environ, {**self._environment, **env}),
            ThreadPoolExecutor(1) as pool,
        ):
            if self._manifest is None:
                self._manifest = pool.submit(dbtRunner().invoke, ["--quiet", "parse"]).result()
                assert self._manifest.success, self._manifest.exception
            runner = dbtRunner(self._manifest.result, callbacks)
            return pool.submit(runner.invoke, ["--quiet", *arguments]).result()


class Baseline:
    """A warehouse that can be restored under the same name, so that dbt parses only once."""

    def __init__(self, server: PostgresServer, template: str, name: str) -> None:
        self.warehouse = Warehouse(server, name)
        self._kept = f"{name}_kept"
        self._copy(template, name)

    def keep(self) -> None:
        """Save the current state for `restore`."""
        self._copy(self.warehouse.name, self._kept)

    def restore(self) -> None:
        """Restore the saved state."""
        self._copy(self._kept, self.warehouse.name)

    def _copy(self, original: str, copy: str) -> None:
        with psycopg.connect(self.warehouse.server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(copy))
            )
            connection.execute(
                sql.SQL("create database {} owner owner template {}").format(
                    sql.Identifier(copy), sql.Identifier(original)
                )
            )


def failures(result: Any) -> list[str]:
    """Return the names of the nodes that failed."""
    outcomes = getattr(result.result, "results", None) or ()
    return [r.node.name for r in outcomes if r.status in ("error", "fail", "runtime error")]


def days(count: int) -> list[date]:
    """Return ``count`` consecutive days."""
    return [date(2026, 1, 1) + timedelta(days=n) for n in range(count)]
