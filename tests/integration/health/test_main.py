"""`python -m scripts.health`: output and exit status."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest

from local.processes import free_port
from scripts.health.facts import State
from tests import health as ledger
from tests.conftest import Warehouse
from tests.documents import ROOT, run_readme

pytestmark = pytest.mark.integration

_NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)


def command(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m scripts.health`` and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.health", *arguments],
        env=os.environ | _place(dsn),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _place(dsn: str) -> dict[str, str]:
    return {"WAREHOUSE_DSN": dsn, "COLUMNS": "160", "PIPELINE_ENVIRONMENT": "test"}


@pytest.mark.parametrize(("state", "status"), [("green", 0), ("amber", 0), ("red", 1), ("grey", 0)])
def test_the_command_ends_with_1_only_when_the_verdict_is_red(
    warehouse: Warehouse, state: ledger.State, status: int
) -> None:
    ledger.seed(warehouse.loader, state)
    done = run_readme("python -m scripts.health", ROOT, _place(warehouse.reader))
    assert done.returncode == status, done.stderr
    assert done.stdout.startswith(f"{State(state).shape} {State(state).word}: ")
    as_json = command(warehouse.reader, "--json")
    assert as_json.returncode == status
    assert json.loads(as_json.stdout)["state"] == state


def test_a_warehouse_of_an_older_shape_says_what_to_run(warehouse: Warehouse) -> None:
    with psycopg.connect(warehouse.admin) as connection:
        connection.execute("drop view ops.v_health_parked")
    done = command(warehouse.reader)
    assert (done.returncode, done.stdout) == (2, "")
    assert "python -m scripts.migrate" in done.stderr


def test_no_answer_is_status_2_and_one_line_without_a_password() -> None:
    done = command(f"host=127.0.0.1 port={free_port()} user=reader password=planted dbname=w")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: warehouse 127.0.0.1")
    assert done.stderr.count("\n") == 1
    assert "planted" not in done.stderr


def test_settings_of_a_run_are_the_thresholds(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.seed(warehouse.loader, "amber")
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"unpublished_minutes": 1}')
    assert command(warehouse.reader).returncode == 1
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"unpublished_minutes": "soon"}')
    assert command(warehouse.reader).returncode == 2
