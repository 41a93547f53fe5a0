"""The deployment with Celery: a task that was taken over finds no way to more than its duty."""

import pytest

from tests.compose.engine import Deployed
from tests.compose.runs import assert_confined, main_job, result_of

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]
PROFILES = "local,celery"


def test_the_main_job_succeeds_in_a_worker(deployment: Deployed) -> None:
    main_job(deployment)


def test_a_hostile_task_is_no_administrator(deployment: Deployed) -> None:
    loot = result_of(deployment, "hostile", "attack")
    assert loot["variables"] == [
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
    ]
    assert loot["connections"] == [
        "AIRFLOW_CONN_AIRFLOW_API",
        "AIRFLOW_CONN_AWS_DEFAULT",
        "AIRFLOW_CONN_DBT_POSTGRES_CONN",
        "AIRFLOW_CONN_POSTS_API",
        "AIRFLOW_CONN_SMTP_DEFAULT",
        "AIRFLOW_CONN_WAREHOUSE",
    ]
    assert loot["files"] == []
    assert loot["logins"] == ["celery@metadata/celery"]  # the results of tasks, and nothing else
    assert_confined(loot)


def test_the_scheduler_runs_no_task_and_has_no_connection(deployment: Deployed) -> None:
    seen = deployment.compose("exec", "-T", "scheduler", "env").stdout.splitlines()
    given = [line for line in seen if line.startswith("AIRFLOW_CONN_") and not line.endswith("=")]
    assert given == []
