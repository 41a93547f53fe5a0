"""`python -m scripts.erase`: arguments and exit status."""

from pathlib import Path

import psycopg
import pytest

from scripts.landing.store import Store
from tests.conftest import Warehouse
from tests.loading import array, post, put, run
from tests.warehouses import dbt_place, traces

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "arguments", [[], ["--id", "7", "--day", "2026-01-31"], ["--id", "7", "--id", "8"]]
)
def test_exactly_one_record_or_day_must_be_named(
    warehouse: Warehouse, store: Store, arguments: list[str]
) -> None:
    refused = run(store, warehouse, "erase", "--source", "posts", *arguments)
    assert refused.returncode == 2
    assert "give --id <id>, or else --day" in refused.stderr


def test_a_mart_that_no_model_owns_is_erased_too(
    warehouse: Warehouse, store: Store, tmp_path: Path
) -> None:
    place = dbt_place(warehouse, tmp_path)
    put(store, array([post(1), post(7, title="forget me")]))
    assert run(store, warehouse, "rebuild", **place).returncode == 0
    with psycopg.connect(warehouse.transformer) as connection:
        connection.execute("create table marts.dim_extra as select title from marts.fct_posts")
        connection.execute("create view marts.of_extra as select * from marts.dim_extra")
    for role in (warehouse.loader, warehouse.transformer):
        with psycopg.connect(role, autocommit=True) as connection:
            connection.execute("analyze")
    assert "pg_stats" in " ".join(traces(warehouse, store, "forget me"))
    erased = run(store, warehouse, "erase", "--source", "posts", "--id", "7", **place)
    assert erased.returncode == 0, erased.stderr
    assert traces(warehouse, store, "forget me") == []

    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("create table marts.of_others as select 'forget me' as title")
        connection.execute("alter table marts.of_others owner to owner")
    erased = run(store, warehouse, "erase", "--source", "posts", "--id", "1", **place)
    assert erased.returncode == 2
    assert "marts.of_others: no model owns these tables" in erased.stderr
