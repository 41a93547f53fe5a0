"""What Airflow knows to be wrong with itself. Invariant: a viewer may ask it all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from scripts.alerts.airflow_api import AirflowApi
from scripts.alerts.failed_runs import Run, day_of_run, failed_run
from scripts.alerts.incident import FAILURES, Incident, IncidentRecord, Kind

SEEN_IN_AIRFLOW = frozenset({*FAILURES, Kind.DAG_IMPORT_ERROR, Kind.NO_HEARTBEAT})
_LOOKBACK = timedelta(days=1)
_SILENT_SECONDS = 60
_PARTS = {"triggerer": "triggerer", "dag_processor": "dag-processor"}
_LOGS = 10  # of so many failed runs the failing task is looked up


@dataclass(frozen=True)
class AirflowState:
    """What is wrong, and which causes a later success has ended (by fingerprint)."""

    incidents: list[Incident]
    succeeded: set[str]


def read_airflow_state(
    api: AirflowApi, open_now: Iterable[IncidentRecord], airflow_url: str, now: datetime
) -> AirflowState:
    """Ask for failed runs, for import errors and for silent parts.

    A run counts as failed while no later run for the same day of the same DAG has succeeded.

    Args:
        api: a session of any role that may read.
        open_now: incidents that a success may have ended.
        airflow_url: base of the links to Airflow's UI.
        now: time-zone aware.

    Raises:
        UnavailableError: the API does not answer.
    """
    ends = {
        one.incident.fingerprint: (one.incident.subject, one.opened_at or now)
        for one in open_now
        if one.incident.kind in FAILURES
    }
    failed = {}
    since = {"end_date_gte": (now - _LOOKBACK).isoformat(), "order_by": "end_date"}
    for run in api.pages("/dags/~/dagRuns", "dag_runs", {"state": "failed", **since}):
        found = _fingerprint(run)
        failed[found] = run
        ends.setdefault(found, (run["dag_id"], _ended(run)))
    succeeded = _succeeded(api, ends, failed)
    runs = [run for found, run in failed.items() if found not in succeeded]
    known = {one.incident.fingerprint for one in open_now}
    asked = [run for run in runs if _fingerprint(run) not in known][:_LOGS]
    incidents = [_incident(api if run in asked else None, run, airflow_url) for run in runs]
    incidents += [*_import_errors(api), *_silent_parts(api, now)]
    return AirflowState(incidents, succeeded)


def _succeeded(
    api: AirflowApi, ends: dict[str, tuple[str, datetime]], failed: dict[str, dict[str, Any]]
) -> set[str]:
    """Return the causes for which a run has succeeded after the last that failed."""
    succeeded = set()
    for dag_id in sorted({dag_id for dag_id, _ in ends.values()}):
        first = min(end for owner, end in ends.values() if owner == dag_id)
        params = {"state": "success", "end_date_gte": first.isoformat(), "order_by": "-end_date"}
        # Of all DAGs, by pattern: asking for one that is gone would be an error.
        params["dag_id_pattern"] = dag_id
        for run in api.pages("/dags/~/dagRuns", "dag_runs", params):
            found = _fingerprint(run)
            if found not in ends:
                continue
            after = _ended(failed[found]) if found in failed else ends[found][1]
            if _ended(run) > after:
                succeeded.add(found)
    return succeeded


def _incident(api: AirflowApi | None, run: dict[str, Any], airflow_url: str) -> Incident:
    task: dict[str, Any] = {}
    is_timed_out = False
    if api:
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        task = next(iter(api.get(path, state="failed", limit=1)["task_instances"]), {})
        is_timed_out = not task and _is_timed_out(api, run)
    failed = Run(
        run["dag_id"],
        run["dag_run_id"],
        _day(run),
        task.get("task_id") or "",
        task.get("try_number") or 1,
    )
    error = "Airflow says: failed; the log has the reason"
    return failed_run(failed, airflow_url, error, is_timed_out=is_timed_out)


def _is_timed_out(api: AirflowApi, run: dict[str, Any]) -> bool:
    """Return whether a run took as long as its DAG allows: only then Airflow ends it itself."""
    limit = api.get(f"/dags/{run['dag_id']}/details")["dag_run_timeout"]
    if limit is None or not run["start_date"]:
        return False
    took = _ended(run) - datetime.fromisoformat(run["start_date"])
    return took >= msgspec.convert(limit, timedelta)


def _import_errors(api: AirflowApi) -> Iterator[Incident]:
    for error in api.pages("/importErrors", "import_errors", {}):
        lines = str(error["stack_trace"]).strip().splitlines()
        facts = {"Error": lines[-1] if lines else "", "Bundle": str(error.get("bundle_name") or "")}
        yield Incident.new(Kind.DAG_IMPORT_ERROR, str(error["filename"]), facts=facts)


def _silent_parts(api: AirflowApi, now: datetime) -> Iterator[Incident]:
    """Yield the parts that give no sign of life any more; one that never ran is not used."""
    health = api.get("/monitor/health")
    for part, name in _PARTS.items():
        latest = (health.get(part) or {}).get(f"latest_{part}_heartbeat")
        if latest and (now - datetime.fromisoformat(latest)).total_seconds() > _SILENT_SECONDS:
            yield Incident.new(Kind.NO_HEARTBEAT, name, facts={"Latest": latest})


def _day(run: dict[str, Any]) -> Any:
    moment = datetime.fromisoformat(run["logical_date"] or run["run_after"])
    return day_of_run(run["dag_id"], run["conf"], moment, run["dag_run_id"])


def _fingerprint(run: dict[str, Any]) -> str:
    return Incident.new(Kind.RUN_FAILED, run["dag_id"], _day(run)).fingerprint


def _ended(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["end_date"])
