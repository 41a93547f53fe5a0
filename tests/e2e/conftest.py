"""One local stack for all end-to-end tests."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from local.switchable import SwitchableServer, running
from local.switches import Answer, Switches
from tests.stack import LocalStack, started_by

_WORKERS = os.environ.get("PIPELINE_TEST_WORKERS", "0")  # Celery workers; 0: LocalExecutor
# Before any day that a test lands. Only the test of late data lands an older day.
DUE_DAY = date(2025, 10, 15)
_RUN_SETTINGS = {
    "http_retries": 1,  # fail sooner when the API is dead
    "http_backoff": 0.1,
    "landing_wait_minutes": 0.4,
    "late_days": 1,
    "landing_deadline_hours": 24 * (datetime.now(UTC).date() - DUE_DAY).days,
}
_SETTINGS = {
    "AIRFLOW_VAR_PIPELINE": json.dumps(_RUN_SETTINGS),
    "PIPELINE_TASK_RETRIES": "1",
    "PIPELINE_WATCH_SCHEDULE": "* * * * * */30",  # in Airflow the last field is the seconds
    "PIPELINE_RETRY_DELAY_SECONDS": "1",
    "http_proxy": "http://127.0.0.1:9",  # nobody listens there: no server of ours may need it
    "https_proxy": "http://127.0.0.1:9",
}


@pytest.fixture(scope="session")
def heartbeats() -> Iterator[SwitchableServer[Switches]]:
    """The dead-man's switch. It keeps every ping that it receives."""
    with running(SwitchableServer(("127.0.0.1", 0), lambda *_: Answer(b"OK"), Switches)) as server:
        yield server


@pytest.fixture(scope="session")
def more_dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second DAG folder for the tests."""
    return tmp_path_factory.mktemp("more-dags")


@pytest.fixture(scope="session")
def stack(heartbeats: SwitchableServer[Switches], more_dags: Path) -> Iterator[LocalStack]:
    """Start the stack with 137 posts and their first run."""
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles: list[dict[str, Any]] = [
        {"name": "dags-folder", "classpath": local, "kwargs": {}},
        {"name": "more-dags", "classpath": local, "kwargs": {"path": str(more_dags)}},
    ]
    laid_over = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "HEARTBEAT_URL": f"{heartbeats.url}/ping/uuid",
    }
    settings = {
        **_SETTINGS,
        "PIPELINE_LOCAL_AIRFLOW_ENV": json.dumps(laid_over),
        "WORKERS": _WORKERS,  # a variable of make
    }
    with started_by(settings, lambda new: new.run_readme("make run POSTS=137 SEED=7")) as stack:
        yield stack


@pytest.fixture(scope="session")
def one_dbt_task(stack: LocalStack) -> None:
    """Run dbt as one task from here on: the alternative, faster way to build."""
    stack.restart_airflow(PIPELINE_DBT_SINGLE_TASK="true")
