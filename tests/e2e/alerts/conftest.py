"""One stack for all alerts, whose Slack can refuse; down before the other end-to-end tests' own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.processes import free_port
from tests.e2e.alerts.desk import WATCH, Desk, SlackDoor
from tests.stack import LocalStack, started

_SETTINGS = {
    "PIPELINE_DBT_SINGLE_TASK": "true",
    "PIPELINE_TASK_RETRIES": "1",
    "PIPELINE_RETRY_DELAY_SECONDS": "1",
    "PIPELINE_WATCH_SCHEDULE": f"* * * * * */{WATCH}",  # Airflow has the seconds last
}


@pytest.fixture(scope="package")
def more_dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of DAGs beside our own, for the tests."""
    return tmp_path_factory.mktemp("more-dags")


@pytest.fixture(scope="package")
def kill_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kill points are armed."""
    return tmp_path_factory.mktemp("kill")


@pytest.fixture(scope="package")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackDoor]:
    """The webhook: in this process, so that its port can be closed."""
    door = SlackDoor(tmp_path_factory.mktemp("slack"), free_port())
    door.open()
    yield door
    door.close()


@pytest.fixture(scope="package")
def stack(more_dags: Path, kill_folder: Path, slack: SlackDoor) -> Iterator[LocalStack]:
    """Bring the stack up with 40 posts and their first run."""
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundles: list[dict[str, Any]] = [
        {"name": "dags-folder", "classpath": local, "kwargs": {}},
        {"name": "more-dags", "classpath": local, "kwargs": {"path": str(more_dags)}},
    ]
    webhook = {
        "conn_type": "slackwebhook",
        "host": slack.url,
        "password": "local/stand-in/webhook",
    }
    laid_over = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW_CONN_SLACK_ALERTS": json.dumps(webhook),
        "PIPELINE_KILL_FOLDER": str(kill_folder),
    }
    settings = {**_SETTINGS, "PIPELINE_LOCAL_AIRFLOW_ENV": json.dumps(laid_over)}
    with started(settings, "run", "--posts", "40", "--seed", "7") as stack:
        yield stack


@pytest.fixture(scope="package")
def _told(stack: LocalStack, slack: SlackDoor) -> Desk:
    desk = Desk(stack, slack)
    desk.configure()
    return desk


@pytest.fixture
def desk(_told: Desk) -> Desk:
    """A quiet pipeline, and what is told of it from here on."""
    _told.quiet()
    return _told
