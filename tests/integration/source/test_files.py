"""From a URL to a tested staging table: one command, and every file that it writes works."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql

from local.postgres import PostgresServer
from local.switchable import running
from scripts.landing.store import Store
from scripts.source.files import _columns
from sources.declaration import Source
from sources.jsonplaceholder import API
from tests.conftest import _PASSWORDS, Warehouse
from tests.shapes import TOKEN, Shapes, shapes
from tests.warehouses import dbt_place

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).parents[3]
Run = Callable[..., str]


@pytest.fixture(scope="module")
def api() -> Iterator[Shapes]:
    with running(shapes()) as server:
        yield server


@pytest.fixture(scope="module")
def own_warehouse(postgres: PostgresServer, _migrated_template: str) -> Warehouse:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database added_source owner owner"))
    return Warehouse(postgres, "added_source")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "logs", "target")
    for name in ("sources", "scripts", "callbacks", "dags", "dbt", "docs"):
        shutil.copytree(_ROOT / name, tree / name, ignore=ignored)
    (tree / ".tools").symlink_to(_ROOT / ".tools")
    shutil.copy(_ROOT / "pyproject.toml", tree)
    return tree


@pytest.fixture
def run(tree: Path, own_warehouse: Warehouse, store: Store, api: Shapes) -> Run:
    """Return a function that runs a module in the copy, and returns what it prints."""
    owner = own_warehouse.server.dsn("added_source", "owner", "owner-pw")
    connection = {"conn_type": "http", "host": api.url, "password": TOKEN}
    environment = {
        **os.environ,
        **dbt_place(own_warehouse, tree / "state"),
        "DBT_LOG_LEVEL_FILE": "none",
        "PYTHONPATH": str(tree),
        "AIRFLOW_HOME": str(tree / "airflow"),
        "PIPELINE_ALLOW_PRIVATE_API": "true",
        "PIPELINE_WAREHOUSE_ADMIN_DSN": owner,
        **{f"PIPELINE_{role.upper()}_PASSWORD": text for role, text in _PASSWORDS.items()},
        "WAREHOUSE_DSN": own_warehouse.loader,
        "LANDING_BUCKET": store.bucket,
        "AWS_ENDPOINT_URL": store.client.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AIRFLOW_CONN_CHANNELS_API": json.dumps(connection),
        "ITEMS_API_URL": api.url,
    }

    def module(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *argv],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return module


@pytest.mark.parametrize(
    ("name", "path", "arguments"),
    [
        ("channels", "/slack/list?limit=10", ["--auth", "bearer"]),
        ("items", "/odata/items", []),
    ],
)
def test_a_url_becomes_a_tested_table(
    run: Run,
    own_warehouse: Warehouse,
    api: Shapes,
    name: str,
    path: str,
    arguments: list[str],
) -> None:
    shown = run("scripts.source", "add", f"{api.url}{path}", name, *arguments)
    assert f"wrote          sources/{name}.py" in shown
    assert "3 pages, 25 records, the list ended there" in shown

    run("ruff", "check", "--config", str(_ROOT / "pyproject.toml"), "sources")
    checked = run("scripts.source", "check", name)
    assert "every record keeps it" in checked
    assert "new fields:    none" in checked

    assert "the warehouse is up to date" in shown
    run("scripts.extract", name, "--day", "2026-01-01")
    run("scripts.load", name)
    run("scripts.dbt")
    unit_tests = ["--project-dir", "dbt", "--profiles-dir", "dbt", "--target-path", "target"]
    run("dbt.cli.main", "test", "--select", f"stg_{name},test_type:unit", *unit_tests)
    with psycopg.connect(own_warehouse.transformer) as connection:
        query = sql.SQL("select count(*), count(distinct {}) from {}").format(
            sql.Identifier(f"{name.removesuffix('s')}_id"), sql.Identifier("staging", f"stg_{name}")
        )
        assert connection.execute(query).fetchall() == [(25, 25)]


def test_what_exists_is_not_overwritten(run: Run, tree: Path, api: Shapes) -> None:
    (tree / "dbt" / "models" / "staging" / "stg_items.sql").write_text("select 1")
    with pytest.raises(AssertionError, match=r"dbt/models/staging/stg_items\.sql exists"):
        run("scripts.source", "add", f"{api.url}/odata/items", "items")
    assert not (tree / "sources" / "items.py").exists()


def test_a_word_of_sql_gets_another_name_and_is_read_in_quotes() -> None:
    fields = [("id", int), ("order", str), ("userId", int), ("tags", list[str])]
    contract = msgspec.defstruct("Item", fields)
    source = Source(api=API, name="items", path="/items", contract=contract)
    assert [(column.name, column.expression) for column in _columns(source)] == [
        ("item_id", "id"),
        ("item_order", '"order"'),
        ("user_id", "user_id"),
    ]
