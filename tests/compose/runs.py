"""Runs of DAGs on a deployment."""

import time
from typing import Any

from tests.compose.engine import Deployed

_SECONDS = 240


def main_job(deployment: Deployed) -> None:
    """Wait until the runs that the deployment starts automatically have succeeded."""
    until = time.monotonic() + _SECONDS
    while True:
        runs = deployment.api().pages("/dags/~/dagRuns", "dag_runs", {})
        states = {(run["dag_id"], run["state"]) for run in runs}
        assert "failed" not in {state for _, state in states}, states
        is_over = not {"queued", "running"} & {state for _, state in states}
        if is_over and ("transform_posts", "success") in states:
            return
        assert time.monotonic() < until, states
        time.sleep(2)


def result_of(deployment: Deployed, dag_id: str, task_id: str) -> Any:
    """Trigger a DAG, wait for its end, and return what a task of it returned."""
    api = deployment.api()
    run_id = api.trigger(dag_id, {})
    until = time.monotonic() + _SECONDS
    while (state := api.run(dag_id, run_id)["state"]) in {"queued", "running"}:
        assert time.monotonic() < until, state
        time.sleep(1)
    assert state == "success"
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
    return api.get(path, deserialize="true")["value"]


def assert_confined(loot: dict[str, list[str]]) -> None:
    """Assert that a hostile task changed nothing, in Airflow or in its container."""
    assert loot["allowed"] == []
    assert loot["written"] == []
    assert [right.split()[1:3] for right in loot["rights"]] == [
        ["50000", "50000"],  # an ordinary user
        ["0000000000000000"],  # no capability
        ["1"],  # and no new privileges
    ]
