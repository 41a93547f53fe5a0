"""The health of a seeded warehouse, as reader sees it and as `python -m scripts.health` says it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from scripts.health import read_health
from scripts.health.facts import Health, State
from scripts.settings import Deployment, RunSettings
from tests import health as ledger
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)


def _look(warehouse: Warehouse, now: datetime = _NOON) -> Health:
    return read_health(warehouse.reader, RunSettings(), Deployment(environment="test"), now)


def command(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m scripts.health`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.health", *arguments],
        env={**os.environ, "WAREHOUSE_DSN": dsn, "COLUMNS": "160", "PIPELINE_ENVIRONMENT": "test"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("hour", [0, 3, 12, 23])
@pytest.mark.parametrize("state", ["green", "amber", "red", "grey"])
def test_each_state_is_seen_as_what_it_is_at_any_hour(
    warehouse: Warehouse, state: ledger.State, hour: int
) -> None:
    now = _NOON.replace(hour=hour, minute=1)
    ledger.seed(warehouse.loader, state, now)
    health = _look(warehouse, now)
    assert health.state == state, health.reasons


@pytest.mark.parametrize(("state", "status"), [("green", 0), ("amber", 0), ("red", 1), ("grey", 0)])
def test_the_command_ends_with_1_only_when_the_verdict_is_red(
    warehouse: Warehouse, state: ledger.State, status: int
) -> None:
    ledger.seed(warehouse.loader, state)
    told = command(warehouse.reader)
    assert told.returncode == status, told.stderr
    assert told.stdout.startswith(f"{State(state).shape} {State(state).word}: ")
    as_json = command(warehouse.reader, "--json")
    assert as_json.returncode == status
    assert json.loads(as_json.stdout)["state"] == state
