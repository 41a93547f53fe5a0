"""The deployment with a managed warehouse: that, the bucket and the API are a team's own.

No container and no file of the deployment has a password of the warehouse: Secrets Manager has it.
The containers run as another user than the image's, as OpenShift and others demand.
"""

from collections.abc import Iterator

import psycopg
import pytest

from sources import SOURCES
from tests.compose.engine import Added, Deployed
from tests.compose.own_servers import BUCKET, PASSWORD, OwnServers, own_servers
from tests.compose.runs import main_job

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]
PROFILES = "managed"
_USER = "123456:0"
_AIRFLOW = (
    "airflow-init",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
)


@pytest.fixture(scope="module")
def own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnServers]:
    request.getfixturevalue("engine")
    with own_servers(tmp_path_factory.mktemp("own")) as servers:
        yield servers


@pytest.fixture(scope="module")
def added(own: OwnServers) -> Added:
    files = "docker-compose.yaml:deploy/managed_warehouse.yaml:docker-compose.override.yaml"
    settings = {**own.settings(), "COMPOSE_FILE": files}
    return Added(settings, {name: {"user": _USER} for name in _AIRFLOW})


def test_the_main_job_succeeds_on_them(deployment: Deployed, own: OwnServers) -> None:
    main_job(deployment, own.dsn("loader"))
    listed = own.bucket().list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {found["Key"].rsplit("/", 1)[0] for found in listed} == {
        f"raw/{source}" for source in SOURCES
    }
    with psycopg.connect(own.dsn("reader")) as connection:
        found = connection.execute("select count(*) from marts.fct_posts").fetchone()
    assert found == (100,)


def test_it_has_no_warehouse_and_no_password_of_one(deployment: Deployed) -> None:
    services = {found["Service"] for found in deployment.containers()}
    assert not services & {"warehouse", "warehouse-init"}
    assert not [
        name
        for name in deployment.settings
        if "WAREHOUSE" in name and deployment.settings[name] and name != "PIPELINE_WAREHOUSE_PORT"
    ]
    assert PASSWORD not in (deployment.folder / ".env").read_text()


def test_every_container_is_well_under_another_user(deployment: Deployed) -> None:
    well = {found["Service"]: found["Health"] for found in deployment.containers()}
    assert {well[name] for name in ("api-server", "scheduler", "dag-processor", "triggerer")} == {
        "healthy"
    }
    assert deployment.compose("exec", "-T", "scheduler", "id", "--user").stdout.strip() == "123456"
