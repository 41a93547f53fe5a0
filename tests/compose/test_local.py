"""The deployment with a LocalExecutor: it starts, does the main job, and stops cleanly."""

import re

import pytest
import requests

from sources.earthquakes import EARTHQUAKES
from tests.compose.engine import Deployed
from tests.compose.runs import assert_confined, main_job, result_of
from tests.stack import wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]
PROFILES = "local"
_ONE_SHOT = {"airflow-init", "warehouse-init", "ministack-init"}
_UNEXPECTED = re.compile(r"traceback|permission denied|read-only file system", re.IGNORECASE)
_COUNT = """
    select source = 'earthquakes', count(*), sum(loaded) from ops.loads
    where is_current and published_at is not null group by 1 order by 1
"""


def _published(deployment: Deployed) -> list[tuple[bool, int, int]]:
    return deployment.query(_COUNT)


def test_the_main_job_succeeds_by_itself(deployment: Deployed) -> None:
    main_job(deployment)
    snapshots, (_, windows, earthquakes) = _published(deployment)
    assert snapshots == (False, 3, 610)
    assert windows == EARTHQUAKES.day.lookback_days + 1
    in_marts = "select count(*), sum(earthquakes) from marts.fct_earthquake_days"
    assert deployment.query(in_marts, role="reader") == [(windows, earthquakes)]


def test_every_container_is_well_and_says_nothing_unexpected(deployment: Deployed) -> None:
    for container in deployment.containers():
        if container["Service"] in _ONE_SHOT:
            assert container["ExitCode"] == 0, container["Service"]
        else:
            assert container["Health"] == "healthy", container["Service"]
    lines = deployment.logs().splitlines()
    assert [line for line in lines if _UNEXPECTED.search(line)] == []


@pytest.mark.parametrize(
    "services",
    [
        ("api-server", "scheduler", "dag-processor", "triggerer", "ministack", "api", "mail"),
        ("metadata", "warehouse"),
    ],
    ids="+".join,
)
def test_a_check_fails_when_its_service_does_nothing(
    deployment: Deployed, services: tuple[str, ...]
) -> None:
    assert deployment.unwell(*services) == []
    with deployment.frozen(*services):
        wait_for(lambda: deployment.unwell(*services), list(services).__eq__, 150)
    wait_for(lambda: deployment.unwell(*services), [].__eq__, 60)


@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/connections", "/health-page/"])
def test_nothing_is_shown_without_a_login(deployment: Deployed, path: str) -> None:
    port = deployment.settings["PIPELINE_AIRFLOW_PORT"]
    for headers in ({}, {"Authorization": "Bearer no-token"}):
        answer = requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30)
        assert answer.status_code in {401, 403}


def test_a_task_beside_the_scheduler_has_what_the_scheduler_has(deployment: Deployed) -> None:
    """docs/threat-model.md says so: with a LocalExecutor, the author of a DAG is administrator."""
    loot = result_of(deployment, "hostile", "attack")
    assert loot["variables"] == []
    assert loot["files"] == [
        "/run/secrets/broker_url",
        "/run/secrets/fernet_key",
        "/run/secrets/jwt_key",
        "/run/secrets/metadata_conn",
        "/run/secrets/result_backend",
    ]
    assert loot["logins"] == ["airflow@metadata/airflow", "celery@metadata/celery"]
    assert_confined(loot)


@pytest.mark.parametrize("service", ["metadata", "warehouse"])
def test_no_login_of_ours_is_a_superuser(deployment: Deployed, service: str) -> None:
    query = "select rolname from pg_roles where rolsuper"
    login = "PGPASSWORD=$(cat /run/secrets/superuser_password)"
    psql = f'{login} psql -At -h 127.0.0.1 -U postgres -c "{query}"'
    found = deployment.compose("exec", "-T", service, "sh", "-c", psql)
    assert found.stdout.split() == ["postgres"], found.stderr


def test_it_stops_cleanly_and_keeps_its_data(deployment: Deployed) -> None:
    before = _published(deployment)
    assert deployment.compose("stop").returncode == 0
    stopped = {found["Service"]: found["ExitCode"] for found in deployment.containers()}
    assert set(stopped.values()) <= {0, 143}, stopped
    assert {stopped["metadata"], stopped["warehouse"], stopped["scheduler"]} == {0}
    assert deployment.compose("down").returncode == 0
    assert deployment.compose("up", "--detach", "--wait").returncode == 0
    assert "not properly shut down" not in deployment.logs("metadata", "warehouse")
    assert _published(deployment) == before
    main_job(deployment)
