"""What PostgreSQL gives to every login is taken from the roles of the pipeline. Each is tried."""

import psycopg
import pytest
from psycopg import errors

from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_FORBIDDEN = (
    "select pg_advisory_lock(1)",
    "select pg_advisory_xact_lock_shared(1, 2)",
    "select pg_try_advisory_lock(1)",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'a')",
    "select lo_creat(-1)",
    "select lo_put(1, 0, 'a')",
    "select lo_import('/etc/hostname')",
    "create database planted",
    "create schema planted",
    "create role planted",
    "load 'auto_explain'",
    "set session authorization owner",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
    "copy (select 1) to '/tmp/planted'",
)


@pytest.mark.parametrize("role", ["loader", "transformer", "reader"])
def test_no_role_has_more_than_its_tables(warehouse: Warehouse, role: str) -> None:
    allowed = []
    with psycopg.connect(getattr(warehouse, role), autocommit=True) as connection:
        for statement in _FORBIDDEN:
            try:
                connection.execute(statement.encode())
            except (errors.InsufficientPrivilege, errors.UndefinedFile):
                continue
            allowed.append(statement)
    assert allowed == []


@pytest.mark.parametrize("role", ["loader", "transformer", "reader"])
@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_no_role_enters_another_database(warehouse: Warehouse, role: str, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(warehouse.server.dsn(database, role, f"{role}-pw"))
