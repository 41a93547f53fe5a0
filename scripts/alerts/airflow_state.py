"""Detect problems in Airflow through its REST API. Invariant: the role Viewer is sufficient."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from scripts.alerts.airflow_api import AirflowApi
from scripts.alerts.causes import Findings
from scripts.alerts.failed_runs import Run, day_of_run, failed_run
from scripts.alerts.incident import FAILURES, Incident, IncidentRecord, Kind

SEEN_IN_AIRFLOW = frozenset({*FAILURES, Kind.DAG_IMPORT_ERROR, Kind.NO_HEARTBEAT})
_LOOKBACK = timedelta(days=1)
_MAX_HEARTBEAT_AGE = timedelta(seconds=60)
_MAX_TASK_LOOKUPS = 10  # new failed runs whose failed task is looked up
_ERROR = "Airflow reports that the run failed. Read the log for the reason."


def read_airflow_state(
    api: AirflowApi, open_now: Iterable[IncidentRecord], airflow_url: str, now: datetime
) -> Findings:
    """Return failed runs, import errors and components without a heartbeat.

    A run counts as failed until a later run for the same DAG and day succeeds. `airflow_url` is
    the base URL of the links to Airflow's UI, and `now` is time-zone aware. Raises
    UnavailableError if the API does not answer.
    """
    open_failures = {
        record.incident.fingerprint: (record.incident.subject, record.opened_at or now)
        for record in open_now
        if record.incident.kind in FAILURES
    }
    since = {"end_date_gte": (now - _LOOKBACK).isoformat(), "order_by": "end_date"}
    runs = api.pages("/dags/~/dagRuns", "dag_runs", {"state": "failed", **since})
    failed = {_fingerprint(run): run for run in runs}  # the latest run of each cause
    ends = {fingerprint: (run["dag_id"], _ended_at(run)) for fingerprint, run in failed.items()}
    succeeded = frozenset(_succeeded(api, open_failures | ends))
    current = {cause: run for cause, run in failed.items() if cause not in succeeded}
    new = [cause for cause in current if cause not in open_failures][:_MAX_TASK_LOOKUPS]
    incidents = [
        _incident(api if cause in new else None, run, airflow_url) for cause, run in current.items()
    ]
    incidents += [*_import_errors(api), *_without_heartbeat(api, now)]
    return Findings(incidents, succeeded=succeeded)


def _succeeded(api: AirflowApi, failures: Mapping[str, tuple[str, datetime]]) -> Iterator[str]:
    """Yield the causes that have a successful run after their last failure."""
    for dag_id in sorted({dag_id for dag_id, _ in failures.values()}):
        first = min(failed_at for owner, failed_at in failures.values() if owner == dag_id)
        params = {"state": "success", "end_date_gte": first.isoformat(), "order_by": "-end_date"}
        # A pattern over all DAGs, because the path of a deleted DAG would return an error.
        params["dag_id_pattern"] = dag_id
        for run in api.pages("/dags/~/dagRuns", "dag_runs", params):
            fingerprint = _fingerprint(run)
            if fingerprint in failures and _ended_at(run) > failures[fingerprint][1]:
                yield fingerprint


def _incident(api: AirflowApi | None, run: dict[str, Any], airflow_url: str) -> Incident:
    """Return the incident of a failed run. Without `api` it does not name the failed task."""
    path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
    tasks = api.get(path, state="failed", limit=1)["task_instances"] if api else []
    is_timed_out = api is not None and not tasks and _is_timed_out(api, run)
    task = tasks[0] if tasks else {}
    task_id, try_number = task.get("task_id") or "", task.get("try_number") or 1
    failed = Run(run["dag_id"], run["dag_run_id"], _day(run), task_id, try_number)
    return failed_run(failed, airflow_url, _ERROR, is_timed_out=is_timed_out)


def _is_timed_out(api: AirflowApi, run: dict[str, Any]) -> bool:
    """Return whether a run without a failed task lasted as long as its DAG allows."""
    limit = api.get(f"/dags/{run['dag_id']}/details")["dag_run_timeout"]
    if limit is None or not run["start_date"]:
        return False
    duration = _ended_at(run) - datetime.fromisoformat(run["start_date"])
    return duration >= msgspec.convert(limit, timedelta)


def _import_errors(api: AirflowApi) -> Iterator[Incident]:
    for error in api.pages("/importErrors", "import_errors", {}):
        lines = str(error["stack_trace"]).strip().splitlines()
        facts = {"Error": lines[-1] if lines else "", "Bundle": str(error.get("bundle_name") or "")}
        yield Incident.new(Kind.DAG_IMPORT_ERROR, str(error["filename"]), facts=facts)


def _without_heartbeat(api: AirflowApi, now: datetime) -> Iterator[Incident]:
    """Yield components whose heartbeat is old. One that never had a heartbeat is not deployed."""
    health = api.get("/monitor/health")
    for component in ("triggerer", "dag_processor"):
        latest = (health.get(component) or {}).get(f"latest_{component}_heartbeat")
        if latest and now - datetime.fromisoformat(latest) > _MAX_HEARTBEAT_AGE:
            name = component.replace("_", "-")
            yield Incident.new(Kind.NO_HEARTBEAT, name, facts={"Latest": latest})


def _day(run: dict[str, Any]) -> date | None:
    moment = datetime.fromisoformat(run["logical_date"] or run["run_after"])
    return day_of_run(run["dag_id"], run["conf"], moment, run["dag_run_id"])


def _fingerprint(run: dict[str, Any]) -> str:
    return Incident.new(Kind.RUN_FAILED, run["dag_id"], _day(run)).fingerprint


def _ended_at(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["end_date"])
