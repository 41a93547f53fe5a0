"""The deployment's logins, made by ``python -m initialise``: FAB's roles on the health page."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg import sql

from benchmarks.api_server import ApiServer, api_server, fab_environment
from local.postgres import PostgresServer
from local.state import ROOT
from tests.loading import database_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

_ROUTES = ["/health-page/", "/health-page/dags/transform_posts/"]
_DATABASE = "metadata_of_fab"


def _run(url: str, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {"AIRFLOW_HOME": str(home), "PYTHONPATH": f"{ROOT}:{ROOT / 'deploy' / 'airflow'}"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=env | fab_environment(url),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(_DATABASE)))
    where = f"127.0.0.1:{postgres.port}/{_DATABASE}"
    return f"postgresql+psycopg2://postgres:{postgres.password}@{where}"


@pytest.fixture(scope="module")
def airflow(
    postgres: PostgresServer,
    url: str,
    _migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiServer]:
    home = tmp_path_factory.mktemp("fab")
    with (
        database_of(postgres, _migrated_template, "warehouse_of_fab") as warehouse,
        api_server(home, warehouse.reader, {}, fab_url=url) as server,
    ):
        headers = {"Authorization": f"Bearer {server.login('admin')}"}
        for role in ("Public", "Viewer", "User", "Op", "Admin"):
            body = {
                "username": f"one-{role}",
                "first_name": role,
                "last_name": role,
                "email": f"{role}@example.org",
                "roles": [{"name": role}],
                "password": f"{role}-pw",
            }
            place = f"{server.url}/auth/fab/v1/users"
            requests.post(place, json=body, headers=headers, timeout=30).raise_for_status()
        yield server


@pytest.mark.parametrize("path", _ROUTES)
@pytest.mark.parametrize(
    ("role", "status"),
    [("Public", 403), ("Viewer", 200), ("User", 200), ("Op", 200), ("Admin", 200)],
)
def test_the_health_page_is_for_whoever_may_view(
    airflow: ApiServer, role: str, status: int, path: str
) -> None:
    page = airflow.get(path, airflow.login(f"one-{role}", f"{role}-pw"))
    assert page.status_code == status
    assert ("data-verdict" in page.text) is (status == 200)


@pytest.mark.parametrize("path", _ROUTES)
def test_the_health_page_is_for_nobody_without_a_login(airflow: ApiServer, path: str) -> None:
    assert airflow.get(path).status_code == 401
    assert airflow.get(path, "no-token").status_code == 403


def test_the_logins_of_the_deployment_have_their_roles(airflow: ApiServer) -> None:
    headers = {"Authorization": f"Bearer {airflow.login('watch')}"}
    seen = requests.get(f"{airflow.url}/api/v2/dags", headers=headers, timeout=30)
    assert seen.status_code == 200
    users = requests.get(f"{airflow.url}/auth/fab/v1/users", headers=headers, timeout=30)
    assert users.status_code == 403


def test_again_it_only_sets_the_passwords(airflow: ApiServer, url: str, tmp_path: Path) -> None:
    query = "select username, id from ab_user order by id"
    place = url.replace("+psycopg2", "")
    with psycopg.connect(place, autocommit=True) as connection:
        before = connection.execute(query).fetchall()
        connection.execute("update ab_user set password = 'lost' where username = 'watch'")
        done = _run(url, tmp_path, "initialise")
        assert done.returncode == 0, done.stderr
        assert connection.execute(query).fetchall() == before
    assert airflow.login("watch")
    assert "watch-pw" not in done.stdout + done.stderr
