"""One stack for all alerts, with a Slack that can refuse. It stops before other tests' stacks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.processes import free_port
from tests.e2e.alerts.harness import WATCH, Harness, SlackWebhook
from tests.stack import LocalStack, started

_SETTINGS = {
    "PIPELINE_DBT_SINGLE_TASK": "true",
    "PIPELINE_TASK_RETRIES": "1",
    "PIPELINE_RETRY_DELAY_SECONDS": "1",
    "PIPELINE_WATCH_SCHEDULE": f"* * * * * */{WATCH}",  # in Airflow the last field is the seconds
}


@pytest.fixture(scope="package")
def more_dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second DAG folder for the tests."""
    return tmp_path_factory.mktemp("more-dags")


@pytest.fixture(scope="package")
def kill_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that arms kill points."""
    return tmp_path_factory.mktemp("kill")


@pytest.fixture(scope="package")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackWebhook]:
    """The webhook. It runs in this process, so that a test can close its port."""
    webhook = SlackWebhook(tmp_path_factory.mktemp("slack"), free_port())
    webhook.open()
    yield webhook
    webhook.close()


@pytest.fixture(scope="package")
def stack(more_dags: Path, kill_folder: Path, slack: SlackWebhook) -> Iterator[LocalStack]:
    """Start the stack with 40 posts and their first run."""
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
def _configured(stack: LocalStack, slack: SlackWebhook) -> Harness:
    harness = Harness(stack, slack)
    harness.configure()
    return harness


@pytest.fixture
def harness(_configured: Harness) -> Harness:
    """A pipeline without open incidents, and the alerts that it sends."""
    _configured.quiet()
    return _configured
