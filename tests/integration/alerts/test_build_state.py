"""Problems in what dbt has built are reported, and read as the role that owns it."""

import psycopg
import pytest

from tests.inbox import Inbox
from tests.integration.alerts.harness import NOW, subjects, watch

pytestmark = pytest.mark.integration


def test_a_mart_that_no_model_owns_is_reported(inbox: Inbox) -> None:
    with psycopg.connect(inbox.warehouse.transformer, autocommit=True) as connection:
        connection.execute("create table build.unowned_marts as select 'dim_extra' as name")
        watch(inbox)
        assert subjects(inbox) == ["the table marts.dim_extra belongs to no model (all days)"]
        connection.execute("delete from build.unowned_marts")
    watch(inbox)
    assert "recovered after" in subjects(inbox)[-1]


def test_an_unusual_volume_is_reported(inbox: Inbox) -> None:
    with psycopg.connect(inbox.warehouse.transformer) as connection:
        connection.execute(
            "create table build.fct_daily_loads as select 'posts'::text as source,"
            " current_date as day, 3 as loaded, -4.2::float8 as z_score"
        )
    watch(inbox)
    assert subjects(inbox) == [f"posts has an unusual number of rows ({NOW.date()})"]


def test_without_the_role_of_dbt_the_rest_is_reported(inbox: Inbox) -> None:
    with psycopg.connect(inbox.warehouse.transformer, autocommit=True) as connection:
        connection.execute("create table build.unowned_marts as select 'dim_extra' as name")
        watch(inbox)
        watch(inbox, dbt_dsn=inbox.no_warehouse())
        assert subjects(inbox)[1:] == ["the warehouse does not answer (all days)"]
        connection.execute("delete from build.unowned_marts")
    watch(inbox)
    assert len(subjects(inbox)) == 4


def test_a_table_that_was_replaced_by_code_runs_it_as_its_own_role(inbox: Inbox) -> None:
    """Read as loader, the function would write as loader."""
    with psycopg.connect(inbox.warehouse.transformer, autocommit=True) as connection:
        connection.execute(
            """
            create table build.callers (name text);
            grant insert on build.callers to public;
            create function build.call() returns text language sql as
                'insert into build.callers values (current_user) returning name';
            create view build.unowned_marts as select build.call() as name;
            """
        )
        watch(inbox)
        callers = connection.execute("select distinct name from build.callers").fetchall()
    assert callers == [("transformer",)]
