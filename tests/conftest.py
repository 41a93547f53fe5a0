"""Real servers: one Postgres and one S3 per session, a fresh database and bucket per test."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

# Airflow reads AIRFLOW_HOME at its first import, so set the tests' folder before that.
_AIRFLOW_HOME = os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="elt-airflow-home-")

os.environ["PIPELINE_ALLOW_PRIVATE_API"] = "true"  # every API of the tests is on loopback
os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # dbt would add the settings of a developer's .env

import psycopg
import pytest
from psycopg import sql

from local.ministack import MiniStack
from local.postgres import LOCK_DOWN, PostgresServer
from local.processes import free_port
from scripts.landing.store import Store
from scripts.migrate import migrate

_PASSWORDS = {"loader": "loader-pw", "transformer": "transformer-pw", "reader": "reader-pw"}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Warehouse:
    """A migrated warehouse for one test: DSNs by role."""

    server: PostgresServer
    name: str

    @property
    def admin(self) -> str:
        return self.server.dsn(self.name)

    @property
    def loader(self) -> str:
        return self.server.dsn(self.name, "loader", _PASSWORDS["loader"])

    @property
    def transformer(self) -> str:
        return self.server.dsn(self.name, "transformer", _PASSWORDS["transformer"])

    @property
    def reader(self) -> str:
        return self.server.dsn(self.name, "reader", _PASSWORDS["reader"])


def pytest_unconfigure() -> None:
    """Delete the tests' Airflow folder."""
    shutil.rmtree(_AIRFLOW_HOME)


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Give the next test the variables as they were.

    An operator that runs in this process leaves dbt's variables. In Airflow, its process ends.
    """
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server without fsync: the tests stop processes, not the machine."""
    with tempfile.TemporaryDirectory(prefix="elt-postgres-") as folder:
        Path(folder).chmod(0o755)  # if tests run as root, the server uses another user
        data = Path(folder) / "data"
        server = PostgresServer(data, free_port(), "test-pw", options=("fsync=off",))
        server.create()
        server.start()
        yield server
        server.stop("immediate")


@pytest.fixture(scope="session")
def _migrated_template(postgres: PostgresServer) -> str:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create role owner login createrole password 'owner-pw'")
        connection.execute("create database template_warehouse owner owner")
    with psycopg.connect(postgres.dsn("template_warehouse"), autocommit=True) as connection:
        connection.execute(LOCK_DOWN.read_bytes())
    migrate(postgres.dsn("template_warehouse", "owner", "owner-pw"), _PASSWORDS)
    return "template_warehouse"


@pytest.fixture
def warehouse(postgres: PostgresServer, _migrated_template: str) -> Iterator[Warehouse]:
    """A fresh copy of the migrated warehouse."""
    name = f"warehouse_{next(_numbers)}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} owner owner template {}").format(
                sql.Identifier(name), sql.Identifier(_migrated_template)
            )
        )
        yield Warehouse(postgres, name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    """A real S3 and SQS API on loopback."""
    stack = MiniStack(free_port(), tmp_path_factory.mktemp("ministack"))
    stack.start()
    yield stack
    stack.managed.stop()


@pytest.fixture
def store(ministack: MiniStack) -> Store:
    """A fresh, versioned bucket."""
    bucket = f"landing-{next(_numbers)}"
    ministack.bootstrap(bucket)
    return Store.of_session(ministack.session(), bucket, endpoint_url=ministack.endpoint)
