"""For each database role, a forbidden action is refused next to a similar one that is allowed."""

import psycopg
import pytest
from psycopg import errors

from local.postgres import PostgresServer
from scripts.migrate import migrate
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

# role, action that succeeds, similar action that is refused
_ACTS = [
    ("loader", "select count(*) from raw.posts", "select count(*) from staging.t"),
    ("loader", "select count(*) from raw.posts", "select count(*) from build.t"),
    ("loader", "delete from raw.posts_rows", "truncate raw.posts_rows"),
    ("loader", "delete from raw.posts_rows", "update raw.posts_rows set id = 1"),
    ("loader", "insert into ops.day_locks values ('a', now())", "truncate ops.loads"),
    (
        "loader",
        "lock table ops.dbt_lock in row exclusive mode",
        "lock table ops.dbt_lock in exclusive mode",
    ),
    (
        "transformer",
        "lock table ops.dbt_lock in exclusive mode",
        "lock table ops.loads in exclusive mode",
    ),
    ("reader", "select 1", "lock table ops.dbt_lock in access share mode"),
    ("reader", "select 1", "lock table ops.publish_lock in access share mode"),
    ("reader", "select 1", "insert into ops.day_locks values ('posts', '2026-01-01')"),
    ("loader", "delete from ops.rejects", "delete from marts.t"),
    ("loader", "set role loader", "set role transformer"),
    ("loader", "select current_user", "create role intruder"),
    ("loader", "select current_user", "alter role loader superuser"),
    ("loader", "select count(*) from raw.posts_rows", "copy raw.posts_rows to program 'true'"),
    ("loader", "select current_user", "select pg_read_file('/etc/hostname')"),
    ("transformer", "select count(*) from raw.posts_rows", "update raw.posts_rows set id = 1"),
    ("transformer", "select count(*) from raw.posts_rows", "truncate raw.posts_rows"),
    ("transformer", "select count(*) from raw.posts_rows", "drop table raw.posts_rows cascade"),
    (
        "transformer",
        "update ops.loads set published_at = now()",
        "update ops.loads set sha256 = ''",
    ),
    ("transformer", "select count(*) from ops.loads", "insert into ops.rejects default values"),
    ("transformer", "create table build.u (a int)", "create table raw.u (a int)"),
    ("transformer", "create temporary table u (a int)", "create schema intruder"),
    ("transformer", "set role transformer", "set role loader"),
    ("reader", "select count(*) from marts.t", "insert into marts.t values (1)"),
    ("reader", "select count(*) from marts.t", "select count(*) from build.t"),
    ("reader", "select count(*) from marts.t", "select count(*) from raw.posts"),
    ("reader", "select count(*) from marts.t", "select count(*) from ops.rejects"),
    ("reader", "select count(*) from marts.t", "select count(*) from ops.incidents"),
    ("reader", "select count(*) from marts.t", "create table marts.u (a int)"),
    ("reader", "select count(*) from ops.v_health_loads", "select count(*) from ops.loads"),
    ("reader", "select count(*) from ops.v_health_sources", "select count(*) from ops.load_id"),
    ("reader", "select count(*) from ops.v_health_parked", "select count(*) from ops.silences"),
    (
        "reader",
        "select count(*) from ops.v_health_incidents",
        "select count(*) from ops.deliveries",
    ),
    (
        "reader",
        "select count(*) from ops.v_health_deliveries",
        "select count(*) from ops.unknown_objects",
    ),
    ("reader", "select 1 from ops.v_health_loads", "delete from ops.v_health_loads"),
    ("reader", "select 1 from ops.v_health_loads", "update ops.v_health_loads set state = 'x'"),
    ("transformer", "select 1 from ops.loads", "select 1 from ops.v_health_incidents"),
    ("reader", "set role reader", "set role transformer"),
]


@pytest.fixture
def furnished(warehouse: Warehouse) -> Warehouse:
    """A warehouse with a table of dbt in each of its schemas."""
    with psycopg.connect(warehouse.transformer) as connection:
        for schema in ("staging", "build", "marts"):
            connection.execute(f"create table {schema}.t (a int)")
    return warehouse


@pytest.mark.parametrize(("role", "allowed", "forbidden"), _ACTS)
def test_a_role_does_its_duty_and_is_refused_its_neighbour(
    furnished: Warehouse, role: str, allowed: str, forbidden: str
) -> None:
    with psycopg.connect(getattr(furnished, role)) as connection:
        connection.execute(allowed)
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(forbidden)


def test_reader_reads_the_health_views_and_nothing_else_of_ops(warehouse: Warehouse) -> None:
    readable = """
        select relname from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
        where nspname in ('ops', 'raw', 'build', 'staging') and relkind in ('r', 'v', 'm', 'S', 'p')
            and case relkind
                when 'S' then has_sequence_privilege('reader', pg_class.oid, 'usage, select')
                else has_any_column_privilege('reader', pg_class.oid, 'select, insert, update')
            end
        order by relname
    """
    with psycopg.connect(warehouse.admin) as connection:
        names = [name for (name,) in connection.execute(readable)]
    assert names == [
        "v_health_deliveries",
        "v_health_incidents",
        "v_health_loads",
        "v_health_parked",
        "v_health_sources",
    ]


def test_no_role_is_more_than_a_login(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        rows = connection.execute(
            """
            select rolname from pg_roles
            where rolname in ('loader', 'transformer', 'reader')
                and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
                    or rolconnlimit = -1)
            """
        ).fetchall()
    assert rows == []


def test_the_database_itself_is_closed(postgres: PostgresServer) -> None:
    """A template does not pass on privileges on the database, so this test migrates its own."""
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create role gatekeeper login createrole password 'owner-pw'")
        connection.execute("create role stranger login password 'stranger-pw'")
        connection.execute("grant loader, transformer, reader to gatekeeper with admin option")
        connection.execute("create database gated owner gatekeeper")
    migrate(postgres.dsn("gated", "gatekeeper", "owner-pw"))

    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(postgres.dsn("gated", "stranger", "stranger-pw"))
    with psycopg.connect(postgres.dsn("gated", "reader", "reader-pw")) as connection:
        connection.execute("select 1")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("create temporary table t (a int)")
    with psycopg.connect(postgres.dsn("gated", "loader", "loader-pw")) as connection:
        connection.execute("create temporary table t (a int)")
