"""Snapshots, windows and changes side by side: each is read as what it is, also after a rebuild."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from tests.conftest import Warehouse
from tests.documents import ROOT
from tests.integration.dbt.support import days, earthquake, post
from tests.loading import environment, put_foreign
from tests.warehouses import dbt_place, marts

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = days(3)
_SCHEMAS = ("marts", "staging", "build", "raw", "ops")
_DECLARATION = '''"""Orders, of which the API tells what has changed."""

import msgspec

from sources.declaration import Api, Changes, Source, single_page


class Order(msgspec.Struct):
    """One order."""

    id: int
    status: str


API = Api(name="shop", base_url="https://api.shop.example", paginator=single_page())
ORDERS = Source(api=API, name="orders", path="/orders", day=Changes("since"), contract=Order)

SOURCES = (ORDERS,)
'''
_MODELS = {
    "staging/stg_orders.sql": """
        select id as order_id, status, day,
            load_id, is_latest, is_published
        from ({{ pinned_rows("orders") }}) as orders
    """,
    "staging/stg_orders.yml": """
sources:
  - name: raw
    tables:
      - {name: orders, identifier: orders_rows, config: {meta: {day: changes}}}
""",
    "marts/fct_orders.sql": """
        with current_orders as ({{ current_rows("orders", key=["order_id"]) }})
        select order_id, status, day from current_orders
    """,
    "marts/fct_orders.yml": """
models:
  - name: fct_orders
    columns:
      - {name: order_id, data_type: bigint, constraints: [{type: not_null}, {type: primary_key}]}
      - {name: status, data_type: text}
      - {name: day, data_type: date}
""",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that also declares orders."""
    tree, made = tmp_path / "tree", shutil.ignore_patterns("__pycache__", "target", "logs")
    for room in ("sources", "scripts", "dbt"):
        shutil.copytree(ROOT / room, tree / room, ignore=made)
    (tree / "sources" / "orders.py").write_text(_DECLARATION)
    for name, text in _MODELS.items():
        (tree / "dbt" / "models" / name).write_text(text)
    return tree


def _order(number: int, status: str) -> dict[str, Any]:
    return {"id": number, "status": status}


def _land(store: Store, source: str, day: date, records: list[dict[str, Any]]) -> None:
    put_foreign(store, json.dumps(records).encode(), key=raw_key(source, day))


def _run(tree: Path, env: Mapping[str, str], *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(warehouse.transformer) as connection:
        return connection.execute(query.encode()).fetchall()


def test_each_kind_of_day_is_read_as_what_it_is_and_rebuilt_from_raw(
    tree: Path, store: Store, warehouse: Warehouse, tmp_path: Path
) -> None:
    admin = {
        "PIPELINE_WAREHOUSE_ADMIN_DSN": warehouse.server.dsn(warehouse.name, "owner", "owner-pw")
    }
    env = environment(store, warehouse.loader, **dbt_place(warehouse, tmp_path / "dbt"), **admin)
    for day, changed in (
        (FIRST, [_order(1, "new"), _order(2, "new")]),
        (SECOND, [_order(2, "paid"), _order(3, "new")]),
        (THIRD, [_order(1, "sent")]),
    ):
        noon = datetime.combine(day, time(12), UTC)
        _land(store, "posts", day, [post(1, f"of {day}"), post(day.day + 1)])
        _land(
            store, "earthquakes", day, [earthquake(f"{day}-a", noon), earthquake(f"{day}-b", noon)]
        )
        _land(store, "orders", day, changed)
    _run(tree, env, "scripts.migrate")
    for source in ("posts", "earthquakes", "orders"):
        _run(tree, env, "scripts.load", source)
    _run(tree, env, "scripts.dbt")

    orders = "select order_id, status from marts.fct_orders order by 1"
    assert _rows(warehouse, orders) == [(1, "sent"), (2, "paid"), (3, "new")]
    earthquakes = "select day, earthquakes from marts.fct_earthquake_days order by 1"
    assert _rows(warehouse, earthquakes) == [(FIRST, 2), (SECOND, 2), (THIRD, 2)]
    posts = "select post_id, title, is_deleted from marts.fct_posts where post_id < 3 order by 1"
    assert _rows(warehouse, posts) == [(1, f"of {THIRD}", False), (2, "title", True)]

    # An old day that is asked for again does not win over a newer one.
    _land(store, "orders", FIRST, [_order(1, "new"), _order(2, "new"), _order(4, "late")])
    _run(tree, env, "scripts.load", "orders")
    _run(tree, env, "scripts.dbt")
    current = [(1, "sent"), (2, "paid"), (3, "new"), (4, "late")]
    assert _rows(warehouse, orders) == current

    before = marts(warehouse)
    with psycopg.connect(warehouse.admin) as connection:
        names = sql.SQL(", ").join(sql.Identifier(name) for name in _SCHEMAS)
        connection.execute(sql.SQL("drop schema {} cascade").format(names))
    _run(tree, env, "scripts.rebuild")
    assert marts(warehouse) == before
    assert _rows(warehouse, orders) == current
