"""Airflow's REST API as the local stack uses it. Invariant: it only asks and triggers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import requests

from scripts.errors import UnavailableError

_SECONDS = 30


class AirflowApi:
    """A session of the API, logged in by name and password."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        credentials = {"username": user, "password": password}
        answer = self._call("POST", "/auth/token", json=credentials)
        self._session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """Return a DAG as the API knows it, or None while it is not parsed yet."""
        found = self._get("/dags", {"dag_id_pattern": dag_id})["dags"]
        return next((dag for dag in found if dag["dag_id"] == dag_id), None)

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the DAG files that cannot be imported."""
        errors: list[dict[str, Any]] = self._get("/importErrors", {})["import_errors"]
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
        return self._get(f"/dags/{dag_id}/dagRuns/{run_id}", {})

    def runs_since(self, dag_id: str, since: datetime) -> list[dict[str, Any]]:
        """Return the runs due since a moment, oldest first."""
        after = {"run_after_gte": since.isoformat(), "order_by": "run_after", "limit": 100}
        runs: list[dict[str, Any]] = self._get(f"/dags/{dag_id}/dagRuns", after)["dag_runs"]
        return runs

    def active_runs(self) -> list[dict[str, Any]]:
        """Return the runs of all DAGs that have not ended."""
        states = {"state": ["queued", "running"], "limit": 100}
        runs: list[dict[str, Any]] = self._get("/dags/~/dagRuns", states)["dag_runs"]
        return runs

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        tasks: list[dict[str, Any]] = self._get(path, {"limit": 100})["task_instances"]
        return tasks

    def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause a DAG, or let it run again."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": is_paused})

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear a run: all of its tasks run again."""
        body = {"dry_run": False}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/clear", json=body)

    def _get(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("GET", f"/api/v2{path}", params=params)

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(
                method, f"{self._url}{path}", timeout=_SECONDS, **arguments
            )
        except requests.RequestException as error:
            raise UnavailableError(f"Airflow's API: {type(error).__name__} at {path}") from None
        if not answer.ok:
            raise UnavailableError(
                f"Airflow's API: {answer.status_code} at {method} {path}: {answer.text[:300]}"
            )
        body: dict[str, Any] = answer.json()
        return body
