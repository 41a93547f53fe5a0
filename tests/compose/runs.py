"""Runs of DAGs on a deployment, and what they leave behind."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import requests

from sources import SOURCES
from tests.compose import report
from tests.compose.engine import Deployed
from tests.stack import wait_for

# Looks for dead tasks and a dead scheduler after seconds. Airflow's default is five minutes.
SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
}
_PUBLISHED = "select count(*) from ops.loads where is_current and published_at is not null"
_SECONDS = 240
_HEALED = 600  # seconds: a dead task is found by its missing heartbeat


def main_job(deployment: Deployed, dsn: str | None = None) -> None:
    """Wait until the runs that the deployment starts automatically have published every day.

    Between two of them no run is active: the next one begins with an event or with the watch.
    `dsn` is a warehouse that does not belong to the deployment.
    """
    days = sum(source.day.lookback_days + 1 for source in SOURCES.values())

    def states() -> set[tuple[str, str]]:
        runs = deployment.api().pages("/dags/~/dagRuns", "dag_runs", {})
        found = {(run["dag_id"], run["state"]) for run in runs}
        assert "failed" not in {state for _, state in found}, found
        return found

    def is_over(found: set[tuple[str, str]]) -> bool:
        is_active = bool({"queued", "running"} & {state for _, state in found})
        return not is_active and ("transform_posts", "success") in found

    wait_for(
        lambda: deployment.query(_PUBLISHED, dsn=dsn), lambda found: found == [(days,)], _HEALED
    )
    wait_for(states, is_over, _SECONDS)


def result_of(deployment: Deployed, dag_id: str, task_id: str) -> Any:
    """Trigger a DAG, wait for its end, and return what a task of it returned."""
    run_id, state = run_to_end(deployment, dag_id, {})
    assert state == "success"
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
    return deployment.api().get(path, deserialize="true")["value"]


def run_to_end(deployment: Deployed, dag_id: str, conf: dict[str, Any]) -> tuple[str, str]:
    """Trigger a DAG and wait for its end. Return (run id, state)."""
    api = deployment.api()
    run_id = api.trigger(dag_id, conf)
    ended = wait_for(
        lambda: api.run(dag_id, run_id)["state"], {"success", "failed"}.__contains__, _SECONDS
    )
    return run_id, str(ended)


def transform_of(deployment: Deployed, day: str) -> None:
    """Trigger the ingest of a day, and wait until the transform that it causes is running."""
    since = datetime.now(UTC)
    api = deployment.api()
    api.trigger("ingest_posts", {"day": day})
    wait_for(
        lambda: [run["state"] for run in api.runs_since("transform_posts", since)],
        lambda states: "running" in states,
        _SECONDS,
    )


def assert_there_once(deployment: Deployed, day: str, fault: str, records: int = 100) -> None:
    """Wait until a day is published, and count its records: none is lost, none is there twice."""
    began = time.monotonic()
    published = (
        "select true from ops.loads where day = %s and is_current and published_at is not null"
    )
    wait_for(lambda: deployment.query(published, day), [(True,)].__eq__, _HEALED)
    report.add(f"{fault}: healed in {time.monotonic() - began:.0f} s")
    count = (
        "select count(*), count(distinct id), count(distinct load_id) from raw.posts where day = %s"
    )
    assert deployment.query(count, day) == [(records, records, 1)]


def mails(deployment: Deployed) -> list[str]:
    """Return the subject of every mail, oldest first."""
    port = deployment.settings["PIPELINE_MAIL_PORT"]
    box = requests.get(f"http://127.0.0.1:{port}/api/v1/messages", timeout=20).json()
    return [mail["Subject"] for mail in box["messages"]][::-1]


def switch(deployment: Deployed, **switches: Any) -> None:
    """Configure how the stand-in API behaves. Without arguments it works normally."""
    place = "http://localhost:8000/_switches"
    put = ("curl", "--silent", "--fail", "--request", "PUT", "--data", json.dumps(switches), place)
    done = deployment.compose("exec", "-T", "api", *put)
    assert done.returncode == 0, done.stderr


def assert_confined(loot: dict[str, list[str]]) -> None:
    """Assert that a hostile task changed nothing, in Airflow or in its container."""
    assert loot["allowed"] == []
    assert loot["written"] == []
    assert [right.split()[1:3] for right in loot["rights"]] == [
        ["50000", "50000"],  # an ordinary user
        ["0000000000000000"],  # no capability
        ["1"],  # and no new privileges
    ]
