"""Incidents of failed runs. Invariant: a callback and the REST API give a failure the same name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import quote

from scripts.alerts.incident import FailedTest, Incident, Kind
from sources import SOURCES

# dbt's message for a test that found rows. Cosmos repeats it: `name: Got 3 results, configured ...`
_FAILED_TEST = re.compile(r"(\w+): Got (\d+) results?, configured to fail")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_TESTS = 10


@dataclass(frozen=True)
class Run:
    """A run, or one try of one of its tasks. `day` is the result of `day_of_run`."""

    dag_id: str
    run_id: str
    day: date | None
    task_id: str = ""
    try_number: int = 1

    def links(self, airflow_url: str) -> dict[str, str]:
        """Return the URLs of the task's log and of the run in Airflow's UI."""
        parts = (self.dag_id, self.run_id, self.task_id)
        dag_id, run_id, task_id = (quote(part, safe="") for part in parts)
        run = f"{airflow_url.rstrip('/')}/dags/{dag_id}/runs/{run_id}"
        log = {"Log": f"{run}/tasks/{task_id}?try_number={self.try_number}"} if task_id else {}
        return {**log, "Run": run}


def day_of_run(
    dag_id: str, conf: Mapping[str, Any] | None, moment: datetime | None, run_id: str
) -> date | None:
    """Return the day of a run, or None for a DAG that processes all pending days.

    Only the DAGs ``ingest_<source>`` have one day per run: the ``day`` of the configuration `conf`,
    else that of a run at `moment` (the logical date or `run_after`), or at the day in `run_id`.
    """
    source = SOURCES.get(dag_id.removeprefix("ingest_"))
    if source is None:
        return None
    configured = _parsed(str((conf or {}).get("day") or ""))
    if moment is None and (named := _parsed(run_id)):
        moment = datetime.combine(named, time(), UTC)
    return configured or (moment and source.day.last_day(moment))


def failed_run(
    run: Run,
    airflow_url: str,
    error: str = "",
    tests: Sequence[FailedTest] = (),
    *,
    is_timed_out: bool = False,
) -> Incident:
    """Return the incident of a failed run, or of a task that failed after its last retry.

    `error` is free text. If dbt tests failed, `tests`, they determine the class.
    """
    kind = Kind.RUN_TIMED_OUT if is_timed_out else Kind.RUN_FAILED
    facts = {"Task": run.task_id or "the run as a whole", "Run": run.run_id}
    if tests:
        kind = Kind.DBT_TEST_FAILED
        facts |= {f"Test {n}": test.line() for n, test in enumerate(tests[:_MAX_TESTS], 1)}
    facts["Error"] = error or "unknown: the process ended without an error message"
    return Incident.new(kind, run.dag_id, run.day, facts, run.links(airflow_url))


def named_tests(text: str) -> list[FailedTest]:
    """Return the failed dbt tests that an error message names, with their numbers of rows."""
    return [FailedTest(name, int(count)) for name, count in _FAILED_TEST.findall(text)]


def _parsed(text: str) -> date | None:
    found = _DAY.search(text[:100])
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:  # it looks like a day, such as 2026-02-31
        return None
