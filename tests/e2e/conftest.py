"""One local stack for all end-to-end tests."""

import json
from collections.abc import Iterator

import pytest

from tests.stack import LocalStack, started

_RUN_SETTINGS = {
    "http_retries": 1,  # a dead API is given up sooner
    "http_backoff": 0.1,
    "landing_wait_minutes": 0.4,
}
_SETTINGS = {
    "AIRFLOW_VAR_PIPELINE": json.dumps(_RUN_SETTINGS),
    "PIPELINE_TASK_RETRIES": "1",
    "PIPELINE_WATCH_SCHEDULE": "* * * * *",
    "PIPELINE_RETRY_DELAY_SECONDS": "1",
}


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """Bring the stack up with 137 posts and their first run."""
    with started(_SETTINGS, "run", "--posts", "137", "--seed", "7") as stack:
        yield stack
