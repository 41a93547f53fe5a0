"""The local stack's client of Airflow's REST API. Invariant: it changes only runs and pauses."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scripts.alerts.airflow_api import AirflowApi
from scripts.settings import Endpoint


class LocalAirflowApi(AirflowApi):
    """A session of the API with user name and password."""

    def __init__(self, url: str, user: str, password: str) -> None:
        super().__init__(Endpoint(url, login=(user, password)))

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Return a DAG as the API reports it, or None if it is not parsed yet."""
        found = self.pages("/dags", "dags", {"dag_id_pattern": dag_id})
        return next((dag for dag in found if dag["dag_id"] == dag_id), None)

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the DAG files that cannot be imported."""
        return list(self.pages("/importErrors", "import_errors", {}))

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Trigger a manual run. Return its run id."""
        body = {"logical_date": None, "conf": dict(conf)}
        answer = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        return str(answer["dag_run_id"])

    def backfill(self, dag_id: str, first: str, last: str, *, again: str = "none") -> None:
        """Start a backfill. `again` is its reprocess behavior: which earlier runs to run again."""
        body = {"dag_id": dag_id, "from_date": f"{first}T00:00Z", "to_date": f"{last}T00:00Z"}
        self._call("POST", "/api/v2/backfills", json={**body, "reprocess_behavior": again})

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return one run."""
        return self.get(f"/dags/{dag_id}/dagRuns/{run_id}")

    def runs_since(self, dag_id: str, since: datetime) -> list[dict[str, Any]]:
        """Return the runs whose `run_after` is at or after `since`, oldest first."""
        params = {"run_after_gte": since.isoformat(), "order_by": "run_after"}
        return list(self.pages(f"/dags/{dag_id}/dagRuns", "dag_runs", params))

    def active_runs(self) -> list[dict[str, Any]]:
        """Return the queued and running runs of all DAGs."""
        params = {"state": ["queued", "running"]}
        return list(self.pages("/dags/~/dagRuns", "dag_runs", params))

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return list(self.pages(path, "task_instances", {}))

    def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": is_paused})

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear a run, so that all its tasks run again."""
        body = {"dry_run": False}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/clear", json=body)
