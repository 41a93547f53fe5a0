"""No role can place code where a more privileged one runs it. Each attack is tried."""

import psycopg
import pytest
from psycopg import errors

from scripts.errors import ConfigurationError
from scripts.landing.store import Store
from scripts.migrate import migrate
from tests.conftest import Warehouse
from tests.loading import array, load_day, payloads, post, put
from tests.ownership import give_to_lesser_roles

pytestmark = pytest.mark.integration

_ROLES = ("loader", "transformer", "reader")
_SCHEMAS = ("migrations", "ops", "raw", "staging", "build", "marts", "public", "pg_catalog")
_CREATE = (
    "create table {}.planted (a int)",
    "create view {}.planted as select 1 as a",
    "create materialized view {}.planted as select 1 as a",
    "create sequence {}.planted",
    "create function {}.planted() returns int language sql as 'select 1'",
    "create domain {}.planted as int",
    "create type {}.planted as (a int)",
    "drop schema {} cascade",
    "alter schema {} rename to planted",
    "alter schema {} owner to current_user",
    "alter default privileges in schema {} grant all on tables to public",
)
_CHANGE = (
    "drop {kind} {place} cascade",
    "alter {kind} {place} rename to planted",
    "alter {kind} {place} set schema staging",
    "alter {kind} {place} owner to current_user",
    "create rule planted as on insert to {place} do also select 1",
    (
        "create trigger planted before insert on {place} for each statement"
        " execute function suppress_redundant_updates_trigger()"
    ),
    "grant select on {place} to public",
    "comment on {kind} {place} is 'rebuilding'",
)
_CHANGE_TABLE = (
    "alter table {place} add column planted int default 1",
    "alter table {place} add check (pg_backend_pid() > 0)",
    "alter table {place} enable row level security",
    "create policy planted on {place} using (true)",
    "create index planted on {place} ((1))",
    "create statistics planted on (1), (2) from {place}",
    "create table pg_temp.planted () inherits ({place})",
)


def _owner(warehouse: Warehouse) -> str:
    return warehouse.server.dsn(warehouse.name, "owner", "owner-pw")


def _relations(warehouse: Warehouse) -> list[tuple[str, str]]:
    with psycopg.connect(warehouse.admin) as connection:
        return connection.execute(
            """
            select format('%I.%I', nspname, relname),
                case relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end
            from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
            where nspname in ('migrations', 'ops', 'raw') and relkind in ('r', 'v', 'S')
            """
        ).fetchall()


def _succeeds(connection: psycopg.Connection, statement: str) -> bool:
    """Return whether a statement is allowed. Whatever it does is undone."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except (errors.InsufficientPrivilege, errors.WrongObjectType, errors.InvalidSchemaName):
        return False
    except (errors.FeatureNotSupported, errors.InvalidObjectDefinition, errors.ReservedName):
        return False
    return True


@pytest.mark.parametrize("role", _ROLES)
def test_only_the_schemas_of_dbt_take_objects_and_only_of_transformer(
    warehouse: Warehouse, role: str
) -> None:
    with psycopg.connect(getattr(warehouse, role), autocommit=True) as connection:
        taken = {
            schema
            for schema in _SCHEMAS
            for statement in _CREATE
            if _succeeds(connection, statement.format(schema))
            and "default privileges" not in statement
        }
    assert taken == ({"staging", "build", "marts"} if role == "transformer" else set())


@pytest.mark.parametrize("role", _ROLES)
def test_no_table_or_view_of_the_owner_can_be_changed(warehouse: Warehouse, role: str) -> None:
    with psycopg.connect(getattr(warehouse, role), autocommit=True) as connection:
        done = [
            (place, statement)
            for place, kind in _relations(warehouse)
            for statement in (*_CHANGE, *(_CHANGE_TABLE if kind == "table" else ()))
            if _succeeds(connection, statement.format(place=place, kind=kind))
        ]
    # PostgreSQL warns, and grants nothing.
    assert {statement for _, statement in done} <= {"grant select on {place} to public"}
    assert _readable_by_all(warehouse) == 0


def _readable_by_all(warehouse: Warehouse) -> int:
    with psycopg.connect(warehouse.admin) as connection:
        row = connection.execute(
            "select count(*) from information_schema.table_privileges where grantee = 'PUBLIC'"
            " and table_schema in ('migrations', 'ops', 'raw')"
        ).fetchone()
    return int(row[0]) if row else -1


def test_the_owner_of_the_release_before_takes_over(store: Store, warehouse: Warehouse) -> None:
    put(store, array([post(1), post(2)]))
    load_day(store, warehouse)
    give_to_lesser_roles(warehouse)

    migrate(_owner(warehouse))

    with psycopg.connect(warehouse.admin) as connection:
        others = connection.execute(
            """
            select format('%I.%I', nspname, relname) from pg_class
            inner join pg_namespace on pg_namespace.oid = relnamespace
            where nspname in ('migrations', 'ops', 'raw') and relowner <> 'owner'::regrole
            union all
            select nspname from pg_namespace
            where nspname in ('migrations', 'ops', 'raw', 'staging', 'build', 'marts')
                and nspowner <> 'owner'::regrole
            """
        ).fetchall()
    assert others == []
    put(store, array([post(3)]))
    assert load_day(store, warehouse).outcome == "loaded"
    assert [row["id"] for row in payloads(warehouse)] == [3]
    test_no_table_or_view_of_the_owner_can_be_changed(warehouse, "loader")


_PLANTED = {
    "trigger": (
        (
            "create trigger planted after update on ops.loads for each statement"
            " execute function suppress_redundant_updates_trigger()"
        ),
        "trigger planted on table ops.loads",
    ),
    "function": (
        "create function raw.planted() returns int language sql as 'select 1'",
        "function raw.planted()",
    ),
    "rule": (
        "create rule planted as on update to ops.rejects do also select 1",
        "rule planted on table ops.rejects",
    ),
    "policy": (
        "create policy planted on raw.posts_rows using (true)",
        "policy planted on table raw.posts_rows",
    ),
    "default": (
        (
            "reset role; grant usage on schema staging to loader;"
            " create function staging.f() returns int language sql as 'select 1';"
            " set role loader; alter table ops.loads alter seconds set default staging.f()"
        ),
        "default value for column seconds of table ops.loads",
    ),
    "version as view": (
        "drop table ops.alembic_version; create view ops.alembic_version as select '0008' as v",
        "alembic_version",
    ),
    "version as table": (
        "drop table ops.alembic_version; create table ops.alembic_version (version_num text)",
        "alembic_version",
    ),
}


@pytest.mark.parametrize("planted", _PLANTED)
def test_code_that_was_planted_before_is_not_run_but_named(
    warehouse: Warehouse, planted: str
) -> None:
    give_to_lesser_roles(warehouse)
    statement, name = _PLANTED[planted]
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute(f"set role loader; {statement}".encode())
    with pytest.raises(ConfigurationError, match="Nothing was changed") as caught:
        migrate(_owner(warehouse))
    assert name in str(caught.value)
    with psycopg.connect(warehouse.admin) as connection:
        owner = "select relowner::regrole::text from pg_class where oid = 'ops.loads'::regclass"
        assert connection.execute(owner).fetchone() == ("loader",)


def test_the_owner_finds_no_table_by_an_unqualified_name(warehouse: Warehouse) -> None:
    """A schema or table elsewhere cannot replace the one that is meant."""
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("create schema owner; create view owner.loads as select 1 / 0 as a")
    migrate(_owner(warehouse))
