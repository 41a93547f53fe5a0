"""The deployment under faults: each one takes effect, heals by itself, and loses nothing."""

import time
from collections.abc import Iterator
from datetime import date, timedelta

import psutil
import pytest

from tests.compose.engine import IMAGE, Added, Deployed, docker
from tests.compose.runs import (
    SOON,
    assert_there_once,
    mails,
    main_job,
    run_to_end,
    switch,
    transform_of,
)
from tests.stack import wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]
PROFILES = "local"
_DISK = "512m"
ADDED = Added(
    settings={
        "AIRFLOW_VAR_PIPELINE": '{"http_retries": 1, "http_backoff": 0.1}',
        "PIPELINE_RETRY_DELAY_SECONDS": "5",
        "PIPELINE_WATCH_SCHEDULE": "* * * * *",
    },
    services={"scheduler": {"environment": SOON}},
    volumes={
        "warehouse": {
            "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": f"size={_DISK}"},
        }
    },
)
_PARTS = ("metadata", "warehouse", "api-server", "scheduler", "dag-processor", "triggerer")
_STAND_INS = ("ministack", "api", "mail")
_KILLED = [
    *((one,) for one in (*_PARTS, *_STAND_INS)),
    ("api-server", "scheduler", "dag-processor", "triggerer"),
    ("metadata", "warehouse", "ministack", "mail"),
]

_EXPECTED = {
    "ConnectError",  # the api-server is away
    "OperationalError",  # a database is away
}


@pytest.fixture(autouse=True)
def _all_is_well(deployment: Deployed) -> None:
    """Wait until nothing is left of the fault before."""
    wait_for(lambda: deployment.unwell(*_PARTS, *_STAND_INS), [].__eq__, 180)


@pytest.fixture(scope="module")
def disk(deployment: Deployed) -> Iterator[str]:
    """A container that keeps the warehouse's small volume, and can write into it."""
    name = f"{deployment.env['COMPOSE_PROJECT_NAME']}-disk"
    volume = f"{deployment.named('warehouse')}:/disk"
    run = ("run", "--detach", "--rm", "--init", "--user", "0", "--name", name, "--volume", volume)
    assert docker(*run, "--entrypoint", "sleep", IMAGE, "infinity").returncode == 0
    yield name
    assert docker("rm", "--force", name).returncode == 0


@pytest.mark.usefixtures("disk")
def test_the_main_job_succeeds_by_itself(deployment: Deployed) -> None:
    main_job(deployment)
    assert mails(deployment) == []


def test_an_api_that_is_away_is_one_mail_and_its_return_another(deployment: Deployed) -> None:
    assert deployment.compose("stop", "api").returncode == 0
    day = {"day": "2026-02-01"}
    assert run_to_end(deployment, "ingest_posts", day)[1] == "failed"
    failed = "[local] ingest_posts failed (2026-02-01)"
    wait_for(lambda: mails(deployment), [failed].__eq__, 90)
    assert deployment.compose("start", "--wait", "api").returncode == 0
    assert run_to_end(deployment, "ingest_posts", day)[1] == "success"
    [_, recovered] = wait_for(lambda: mails(deployment), lambda found: len(found) > 1, 90)
    assert recovered.startswith("[local] recovered after ")
    assert recovered.endswith("ingest_posts failed (2026-02-01)")
    assert_there_once(deployment, day["day"], "API away, then its day again")


@pytest.mark.parametrize("services", _KILLED, ids="+".join)
def test_what_is_killed_in_the_middle_of_a_run_loses_nothing(
    deployment: Deployed, services: tuple[str, ...]
) -> None:
    day = str(date(2026, 2, 2) + timedelta(_KILLED.index(services)))
    transform_of(deployment, day)
    killed = [deployment.kill(service) for service in services]
    assert not [pid for pid in killed if psutil.pid_exists(pid)]
    assert_there_once(deployment, day, f"kill -9 of {' and '.join(services)}")


def test_a_warehouse_off_the_network_is_waited_for(deployment: Deployed) -> None:
    network, container = deployment.named("pipeline"), deployment.container_of("warehouse")
    assert docker("network", "disconnect", network, container).returncode == 0
    deployment.api().trigger("ingest_posts", {"day": "2026-02-13"})
    time.sleep(30)
    assert deployment.query("select 1") == []
    alias = ("--alias", "warehouse")
    assert docker("network", "connect", *alias, network, container).returncode == 0
    assert_there_once(deployment, "2026-02-13", "warehouse off the network for 30 s")


def test_a_full_disk_loses_nothing_and_the_marts_follow_when_there_is_space(
    deployment: Deployed, disk: str
) -> None:
    fill = "head --bytes=1G /dev/zero >/disk/filler; df --output=avail /disk | tail -1"
    left = docker("exec", disk, "sh", "-c", fill)
    assert left.stdout.split() == ["0"], left.stderr
    switch(deployment, posts=20000)
    deployment.api().trigger("ingest_posts", {"day": "2026-02-14"})
    wait_for(lambda: "No space left" in deployment.logs("warehouse"), bool, 120)
    assert docker("exec", disk, "rm", "/disk/filler").returncode == 0
    assert_there_once(deployment, "2026-02-14", "disk full", 20000)
    switch(deployment)


def test_an_upgrade_with_a_changed_model_during_a_run_loses_nothing(deployment: Deployed) -> None:
    models = deployment.folder / "dbt" / "models" / "marts"
    for file, old, new in (
        ("dim_authors.sql", "activity.active_days,", "activity.active_days,\n        1 as added,"),
        (
            "dim_authors.yml",
            "      - name: first_active_day\n",
            "      - name: added\n        data_type: integer\n      - name: first_active_day\n",
        ),
    ):
        text = (models / file).read_text()
        assert text.count(old) == 1
        (models / file).write_text(text.replace(old, new))
    transform_of(deployment, "2026-02-15")
    up = deployment.compose("up", "--build", "--detach", "--wait")
    assert up.returncode == 0, up.stderr[-2000:]
    assert_there_once(deployment, "2026-02-15", "upgrade during a run")
    assert run_to_end(deployment, "transform_posts", {})[1] == "success"
    authors = (
        "select (select count(distinct author_id) from marts.fct_posts) - count(*),"
        " min(added), max(added) from marts.dim_authors"
    )
    assert deployment.query(authors, role="reader") == [(0, 1, 1)]


def test_every_record_of_every_day_is_there_once(deployment: Deployed) -> None:
    days = "select count(distinct day), count(*), count(distinct (day, id)) from raw.posts"
    [(count, records, different)] = deployment.query(days)
    assert (count, records, different) == (16, 15 * 100 + 20000, 15 * 100 + 20000)
    ledger = (
        "select sum(received), sum(loaded), sum(rejected) from ops.loads"
        " where is_current and source = 'posts'"
    )
    assert deployment.query(ledger) == [(records, records, 0)]


def test_no_log_has_an_error_that_no_fault_explains(deployment: Deployed) -> None:
    """While a server is away, its users say so."""
    unexpected = {kind: line for kind, line in deployment.errors().items() if kind not in _EXPECTED}
    assert unexpected == {}
    denied = ("permission denied", "read-only file system")
    lines = deployment.logs().splitlines()
    assert [line for line in lines if any(text in line.lower() for text in denied)] == []
