"""The deployment with Celery: a killed worker loses nothing, a hostile task finds no way out."""

from functools import partial

import psycopg
import pytest

from tests.compose.engine import Added, Deployed, docker
from tests.compose.runs import SOON, assert_confined, assert_there_once, main_job, result_of
from tests.stack import wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]
PROFILES = "local,celery"
ADDED = Added(
    settings={"PIPELINE_RETRY_DELAY_SECONDS": "5"},
    services={"scheduler": {"environment": SOON}},
)


def test_the_main_job_succeeds_in_a_worker(deployment: Deployed) -> None:
    main_job(deployment)


def test_a_check_fails_when_its_service_does_nothing(deployment: Deployed) -> None:
    for service in ("worker", "broker"):
        assert deployment.unwell(service) == []
        with deployment.frozen(service):
            assert deployment.unwell(service) == [service]
        wait_for(partial(deployment.unwell, service), [].__eq__, 60)


def test_a_hostile_task_is_no_administrator(deployment: Deployed) -> None:
    loot = result_of(deployment, "hostile", "attack")
    assert loot["variables"] == []
    assert loot["connections"] == [
        "AIRFLOW_CONN_AIRFLOW_API",
        "AIRFLOW_CONN_AWS_DEFAULT",
        "AIRFLOW_CONN_DBT_POSTGRES_CONN",
        "AIRFLOW_CONN_EARTHQUAKES_API",
        "AIRFLOW_CONN_POSTS_API",
        "AIRFLOW_CONN_SMTP_DEFAULT",
        "AIRFLOW_CONN_WAREHOUSE",
    ]
    assert loot["files"] == ["/run/secrets/broker_url", "/run/secrets/result_backend"]
    assert loot["logins"] == ["celery@metadata/celery"]  # the results of tasks, and nothing else
    assert_confined(loot)


def test_the_scheduler_runs_no_task_and_has_no_connection(deployment: Deployed) -> None:
    seen = deployment.compose("exec", "-T", "scheduler", "env").stdout.splitlines()
    given = [line for line in seen if line.startswith("AIRFLOW_CONN_") and not line.endswith("=")]
    assert given == []


def test_a_worker_that_is_killed_in_the_middle_of_a_load_loses_nothing(
    deployment: Deployed,
) -> None:
    """The load waits for the lock of its day, with all its records in the table, when it dies."""
    up = deployment.compose("up", "--detach", "--wait", "--scale", "worker=2")
    assert up.returncode == 0, up.stderr
    containers = deployment.compose("ps", "--quiet", "worker").stdout.split()
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    workers = {docker("inspect", "-f", address, one).stdout.strip(): one for one in containers}
    assert len(workers) == 2
    day = "2026-02-01"
    waiting = (
        "select host(client_addr) from pg_stat_activity"
        " where usename = 'loader' and wait_event_type = 'Lock'"
    )
    with psycopg.connect(deployment.dsn()) as holder:
        holder.execute("set idle_in_transaction_session_timeout = 0")
        holder.execute("insert into ops.day_locks (source, day) values ('posts', %s)", [day])
        deployment.api().trigger("ingest_posts", {"day": day})
        [(client,)] = wait_for(lambda: deployment.query(waiting), bool, 240)
        deployment.kill_container(workers[client])  # and so every process in it
        holder.rollback()
    assert_there_once(deployment, day, "kill -9 of a worker during a load")
