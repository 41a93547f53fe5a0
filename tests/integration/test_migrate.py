"""The warehouse's schema on a real Postgres, created by an owner without superuser rights."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import psycopg
import pytest
from psycopg import sql

from scripts.errors import UnavailableError
from scripts.load.raw_tables import ensure_raw
from scripts.migrate import migrate
from scripts.warehouse.connection import plain_errors
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.ownership import give_to_lesser_roles

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
        ("loader", "insert into raw.posts_rows values (1, 0, 1, 1)"),
        ("transformer", "select from raw.posts"),
        ("transformer", "update ops.loads set published_at = now()"),
        ("transformer", "create table build.t (); create table marts.t ()"),
    ],
)
def test_a_role_may_do_its_duty(warehouse: Warehouse, role: str, statement: str) -> None:
    with psycopg.connect(getattr(warehouse, role)) as connection:
        connection.execute(statement)


def test_tables_that_an_earlier_release_made_are_renamed_and_stay_readable(
    warehouse: Warehouse,
) -> None:
    """A warehouse of the release before: its tables have their old names and hold rows."""
    give_to_lesser_roles(warehouse)
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute(
            """
            alter table ops.deliveries drop column channel_paused_until;
            alter table ops.rejects drop column record_key;
            alter table ops.unknown_objects rename column reported_at to told_at;
            alter table ops.unknown_objects rename to foreign_keys;
            alter index ops.unknown_objects_pkey rename to foreign_keys_pkey;
            insert into ops.foreign_keys (key) values ('raw/notes.txt');
            update ops.alembic_version set version_num = '0005';
            set role transformer;
            create table marts.fct_daily_volume (
                source text, day date, received bigint, loaded bigint, rejected bigint,
                created bigint, z_score numeric(18, 2), primary key (source, day)
            );
            insert into marts.fct_daily_volume values ('posts', '2026-01-01');
            create table build.stg_loads (load_id bigint);
            create view staging.stg_posts as select * from build.stg_loads;
            """
        )
    migrate(warehouse.server.dsn(warehouse.name, "owner", "owner-pw"))
    with psycopg.connect(warehouse.reader) as connection:
        for name in ("fct_daily_loads", "fct_daily_volume"):
            rows = connection.execute(
                sql.SQL("select source from {}").format(sql.Identifier("marts", name))
            ).fetchall()
            assert rows == [("posts",)], name
    with psycopg.connect(warehouse.transformer) as connection:  # as the next publish does
        connection.execute("alter table marts.fct_daily_loads drop column created")
    with psycopg.connect(warehouse.loader) as connection:
        keys = connection.execute("select key, reported_at is not null from ops.unknown_objects")
        assert keys.fetchall() == [("raw/notes.txt", True)]
    with psycopg.connect(warehouse.admin) as connection:
        old = connection.execute("select to_regclass('build.stg_loads')").fetchone()
        assert old == (None,)


def test_a_table_that_a_reader_holds_is_not_waited_for_without_end(warehouse: Warehouse) -> None:
    changed = replace(POSTS, key=("userId", "id"))
    owner = warehouse.server.dsn(warehouse.name, "owner", "owner-pw")
    with (
        psycopg.connect(warehouse.loader) as reader,
        psycopg.connect(owner, options="-c statement_timeout=300ms") as connection,
    ):
        reader.execute("select from raw.posts_rows")
        with pytest.raises(UnavailableError, match="timeout"), plain_errors():
            ensure_raw(connection, changed)


def test_it_can_run_while_dbt_replaces_its_tables(warehouse: Warehouse) -> None:
    """As `make up` does beside a transform. PostgreSQL calls such a clash an internal error."""
    owner = warehouse.server.dsn(warehouse.name, "owner", "owner-pw")
    migrated = Event()

    def replace_tables() -> None:
        with psycopg.connect(warehouse.transformer, autocommit=True) as connection:
            while not migrated.is_set():
                for name in "abcdefgh":
                    connection.execute(f"create table build.{name} (a int)".encode())
                for name in "abcdefgh":
                    connection.execute(f"drop table build.{name}".encode())

    with ThreadPoolExecutor() as pool:
        done = pool.submit(replace_tables)
        try:
            for _ in range(10):
                migrate(owner)
        finally:
            migrated.set()
        done.result(20)
