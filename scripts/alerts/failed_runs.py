"""Failed runs as incidents. Invariant: a callback and the REST API name one failure alike."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from scripts.alerts.incident import FailedTest, Incident, Kind
from sources import SOURCES

# What dbt says of a test that found rows, and Cosmos repeats: `name: Got 3 results, configured ...`
_FAILED_TEST = re.compile(r"(\w+): Got (\d+) results?, configured to fail")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TESTS = 10


@dataclass(frozen=True)
class Run:
    """A run, or one try of one of its tasks; `day` as `day_of_run` gives it."""

    dag_id: str
    run_id: str
    day: date | None
    task_id: str = ""
    try_number: int = 1

    def links(self, airflow_url: str) -> dict[str, str]:
        """Return where Airflow's UI shows the log of the task, and the run."""
        dag_id, run_id = quote(self.dag_id, safe=""), quote(self.run_id, safe="")
        run = f"{airflow_url.rstrip('/')}/dags/{dag_id}/runs/{run_id}"
        if not self.task_id:
            return {"Run": run}
        task_id = quote(self.task_id, safe="")
        return {"Log": f"{run}/tasks/{task_id}?try_number={self.try_number}", "Run": run}


def day_of_run(
    dag_id: str,
    conf: Mapping[str, Any] | None,
    moment: datetime | None,
    run_id: str,
) -> date | None:
    """Return the day that a run is for, or None for a DAG that takes whatever waits.

    Args:
        dag_id: only the DAGs of the sources, ``ingest_<source>``, are run for one day.
        conf: what the run was asked for; its ``day`` goes first.
        moment: the run's logical date, or, without one, when it was due.
        run_id: holds a day too, where nothing else is known.
    """
    if dag_id.removeprefix("ingest_") not in SOURCES:
        return None
    asked = _parsed(str((conf or {}).get("day") or ""))
    return asked or (moment.astimezone(UTC).date() if moment else _parsed(run_id))


def failed_run(
    run: Run,
    airflow_url: str,
    error: str = "",
    tests: Sequence[FailedTest] = (),
    *,
    is_timed_out: bool = False,
) -> Incident:
    """Return the incident of a run, or of its task, that has failed for good.

    `error` is free text; `tests` are the dbt tests that failed, if any: they make the class.
    """
    kind = Kind.RUN_TIMED_OUT if is_timed_out else Kind.RUN_FAILED
    facts = {"Task": run.task_id or "the run as a whole", "Run": run.run_id}
    if tests:
        kind = Kind.DBT_TEST_FAILED
        facts |= {f"Test {n}": test.line() for n, test in enumerate(tests[:_TESTS], 1)}
    facts["Error"] = error or "unknown: the process left no error"
    return Incident.new(kind, run.dag_id, run.day, facts, run.links(airflow_url))


def named_tests(text: str) -> list[FailedTest]:
    """Return the dbt tests that an error's text names, with the number of rows each one found."""
    return [FailedTest(name, int(count)) for name, count in _FAILED_TEST.findall(text)]


def _parsed(text: str) -> date | None:
    found = _DAY.search(text[:100])
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:  # shaped like a day, but none
        return None
