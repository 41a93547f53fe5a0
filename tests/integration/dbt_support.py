"""A dbt project on a test's own warehouse, and the raw rows that it reads."""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
from dbt.cli.main import dbtRunner, dbtRunnerResult
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from tests.conftest import Warehouse

PROJECT = Path(__file__).parents[2] / "dbt"

Post = dict[str, Any]


def post(number: int, title: str = "title", body: str = "a\nbody", author: int = 1) -> Post:
    """Return a record as the API gives it."""
    return {"userId": author, "id": number, "title": title, "body": body}


class Loader:
    """Writes raw rows and ledger rows as the load step does: a day's content in one commit."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._dsn = warehouse.loader

    def load(self, day: date, posts: Sequence[Post], *, rejected: int = 0) -> int:
        """Make `posts` the content of the day; returns the load's id."""
        with psycopg.connect(self._dsn) as connection:
            row = connection.execute("select nextval('ops.load_id')").fetchone()
            assert row is not None
            load_id = int(row[0])
            self._supersede(connection, day)
            connection.execute(
                """
                insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes,
                    state, received, loaded, rejected, seconds, is_current)
                values (%s, 'posts', %s, %s, 'etag', now(), 1, 'loaded', %s, %s, %s, 1, true)
                """,
                (
                    load_id,
                    day,
                    f"raw/posts/{day}.json",
                    len(posts) + rejected,
                    len(posts),
                    rejected,
                ),
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into raw.posts_rows values (%s, %s, %s, %s)",
                    [(load_id, at, p["id"], Jsonb(p)) for at, p in enumerate(posts)],
                )
        return load_id

    def withdraw(self, day: date) -> None:
        """Leave the day without any content, as if it had never been loaded."""
        with psycopg.connect(self._dsn) as connection:
            self._supersede(connection, day)

    @staticmethod
    def _supersede(connection: psycopg.Connection, day: date) -> None:
        connection.execute(
            "update ops.loads set is_current = false where source = 'posts' and day = %s", (day,)
        )


class Dbt:
    """Runs dbt in this process, as role transformer."""

    def __init__(self, warehouse: Warehouse, state: Path, project: Path = PROJECT) -> None:
        self.warehouse = warehouse
        self._state = state
        self._project = project
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
            "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        }

    def invoke(self, *arguments: str, env: Mapping[str, str] | None = None) -> dbtRunnerResult:
        """Run a dbt command; its failure is in the result."""
        with mock.patch.dict(os.environ, {**self._environment, **(env or {})}):
            return dbtRunner().invoke(["--quiet", *arguments])

    def build(self, *arguments: str) -> None:
        """Build and test; raises AssertionError naming what failed."""
        result = self.invoke("build", *arguments)
        assert result.success, failures(result) or result.exception

    def publish(self) -> bool:
        """Publish; returns whether it did."""
        return self.invoke("run-operation", "publish").success

    def rows(self, query: str, role: str = "transformer") -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(getattr(self.warehouse, role)) as connection:
            return connection.execute(query).fetchall()


def failures(result: dbtRunnerResult) -> list[str]:
    """Return the names of the nodes that failed."""
    outcomes: Iterable[Any] = getattr(result.result, "results", None) or ()
    return [r.node.name for r in outcomes if r.status in ("error", "fail", "runtime error")]


def days(count: int) -> list[date]:
    """Return that many days in a row."""
    return [date(2026, 1, 1 + n) for n in itertools.islice(itertools.count(), count)]
