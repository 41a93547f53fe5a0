"""Follow docs/your-own-source.md exactly for a new source in a copy of the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local.postgres import PostgresServer
from scripts.landing.store import Store
from tests.conftest import _PASSWORDS, Warehouse
from tests.warehouses import dbt_place

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(r"^ +```(python|yaml|sql)\n(.*?)^ +```$", re.DOTALL | re.MULTILINE)
_DAG_IDS = (
    "from airflow.dag_processing.dagbag import DagBag\n"
    "bag = DagBag('dags', load_op_links=False)\n"
    "assert not bag.import_errors, bag.import_errors\n"
    "print(*bag.dags)\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project with the three steps of the guide applied."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "logs", "target")
    for name in ("sources", "scripts", "callbacks", "dags", "dbt", "docs"):
        shutil.copytree(_ROOT / name, tree / name, ignore=ignored)
    guide = (_ROOT / "docs" / "your-own-source.md").read_text()
    declared, model, tests = (block for _, block in _BLOCK.findall(guide))

    (tree / "sources" / "todos.py").write_text(textwrap.dedent(declared))
    staging = tree / "dbt" / "models" / "staging"
    (staging / "stg_todos.sql").write_text(textwrap.dedent(model))
    (staging / "stg_todos.yml").write_text(textwrap.dedent(tests))
    return tree


@pytest.fixture
def own_warehouse(postgres: PostgresServer, _migrated_template: str) -> Warehouse:
    """An empty database. The migration of the copied tree creates its content."""
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database own_source owner owner"))
    return Warehouse(postgres, "own_source")


def test_the_guide_leads_from_a_declaration_to_a_tested_table(
    tree: Path, own_warehouse: Warehouse, store: Store
) -> None:
    dbt = {**dbt_place(own_warehouse, tree / "state"), "DBT_LOG_LEVEL_FILE": "none"}
    environment = {
        **os.environ,
        **dbt,
        "PYTHONPATH": str(tree),
        "AIRFLOW_HOME": str(tree / "airflow"),
        "PIPELINE_WAREHOUSE_ADMIN_DSN": own_warehouse.server.dsn("own_source", "owner", "owner-pw"),
        **{f"PIPELINE_{role.upper()}_PASSWORD": text for role, text in _PASSWORDS.items()},
        "WAREHOUSE_DSN": own_warehouse.loader,
        "LANDING_BUCKET": store.bucket,
        "AWS_ENDPOINT_URL": store.client.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    todos = [{"userId": 1, "id": n, "title": "t", "completed": n == 2} for n in (1, 2, 3)]
    store.client.put_object(
        Bucket=store.bucket, Key="raw/todos/2026-01-01.json", Body=json.dumps(todos)
    )
    run("-m", "scripts.migrate")
    run("-m", "scripts.load", "todos")
    run("-m", "scripts.dbt")

    with psycopg.connect(own_warehouse.transformer) as connection:
        rows = connection.execute(
            "select todo_id, user_id, is_completed from staging.stg_todos order by 1"
        ).fetchall()
        outcomes = connection.execute(
            "select passed from build.outcomes where node like 'test.elt.todos_match%'"
        ).fetchall()
        published = connection.execute("select loaded from marts.fct_daily_loads").fetchall()
    assert rows == [(1, 1, False), (2, 1, True), (3, 1, False)]
    assert outcomes == [(True,)]
    assert published == [(3,)]

    run(
        "-c",
        "from dbt.cli.main import dbtRunner; done = dbtRunner().invoke(['parse', '--quiet', "
        "'--project-dir', 'dbt', '--profiles-dir', 'dbt', '--target-path', 'target']); "
        "assert done.success, done.exception",
    )
    assert "ingest_todos" in run("-c", _DAG_IDS).split()
