"""Airflow's REST API as the local stack uses it. Invariant: it only asks and triggers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scripts.alerts.airflow_api import AirflowApi
from scripts.settings import Endpoint


class LocalAirflowApi(AirflowApi):
    """A session of the API, logged in by name and password."""

    def __init__(self, url: str, user: str, password: str) -> None:
        super().__init__(Endpoint(url, login=(user, password)))

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Return a DAG as the API knows it, or None while it is not parsed yet."""
        found = self.get("/dags", dag_id_pattern=dag_id)["dags"]
        return next((dag for dag in found if dag["dag_id"] == dag_id), None)

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the DAG files that cannot be imported."""
        errors: list[dict[str, Any]] = self.get("/importErrors")["import_errors"]
        return errors

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run by hand; return its run id."""
        body = {"logical_date": None, "conf": dict(conf)}
        answer = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        return str(answer["dag_run_id"])

    def backfill(self, dag_id: str, first: str, last: str, *, again: str = "none") -> None:
        """Start a run for each day; `again` says which of those that ran before run once more."""
        body = {"dag_id": dag_id, "from_date": f"{first}T00:00Z", "to_date": f"{last}T00:00Z"}
        self._call("POST", "/api/v2/backfills", json={**body, "reprocess_behavior": again})

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return one run."""
        return self.get(f"/dags/{dag_id}/dagRuns/{run_id}")

    def runs_since(self, dag_id: str, since: datetime) -> list[dict[str, Any]]:
        """Return the runs due since a moment, oldest first."""
        after: dict[str, Any] = {
            "run_after_gte": since.isoformat(),
            "order_by": "run_after",
            "limit": 100,
        }
        runs: list[dict[str, Any]] = self.get(f"/dags/{dag_id}/dagRuns", **after)["dag_runs"]
        return runs

    def active_runs(self) -> list[dict[str, Any]]:
        """Return the runs of all DAGs that have not ended."""
        states = ["queued", "running"]
        runs: list[dict[str, Any]] = self.get("/dags/~/dagRuns", state=states, limit=100)[
            "dag_runs"
        ]
        return runs

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        tasks: list[dict[str, Any]] = self.get(path, limit=100)["task_instances"]
        return tasks

    def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause a DAG, or let it run again."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": is_paused})

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear a run: all of its tasks run again."""
        body = {"dry_run": False}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/clear", json=body)
