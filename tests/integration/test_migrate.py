"""The warehouse's schema on a real Postgres, created by an owner without superuser rights."""

import psycopg
import pytest

from scripts.migrate import migrate
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration


def test_migrating_again_changes_nothing(warehouse: Warehouse) -> None:
    owner = warehouse.server.dsn(warehouse.name, "owner", "owner-pw")
    query = "select oid, xmin::text, relname from pg_class where oid >= 16384 order by oid"
    with psycopg.connect(warehouse.admin, autocommit=True) as connection:
        before = connection.execute(query).fetchall()
        migrate(owner)
        after = connection.execute(query).fetchall()
    assert [row[::2] for row in after] == [row[::2] for row in before]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("reader", "select from raw.posts"),
        ("reader", "select from ops.loads"),
        ("reader", "create table marts.t ()"),
        ("transformer", "delete from raw.posts_rows"),
        ("transformer", "delete from ops.loads"),
        ("transformer", "update ops.loads set is_current = false"),
        ("loader", "create table marts.t ()"),
        ("loader", "create table public.t ()"),
    ],
)
def test_a_role_may_not_do_what_is_not_its_duty(
    warehouse: Warehouse, role: str, statement: str
) -> None:
    with (
        psycopg.connect(getattr(warehouse, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("loader", "insert into raw.posts_rows values (1, 0, 1, '{}')"),
        ("transformer", "select from raw.posts"),
        ("transformer", "update ops.loads set published_at = now()"),
        ("transformer", "create table build.t (); create table marts.t ()"),
    ],
)
def test_a_role_may_do_its_duty(warehouse: Warehouse, role: str, statement: str) -> None:
    with psycopg.connect(getattr(warehouse, role)) as connection:
        connection.execute(statement)
