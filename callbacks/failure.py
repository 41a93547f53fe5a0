"""The callbacks of tasks and runs: the fast path of alerts. Invariant: a callback never raises.

Airflow calls a task's callback in the task's process, and a run's callback in the dag-processor.
Most failures cause both calls, but a killed task only the second. The incident's row in the
warehouse decides which call sends. ``watch_pipeline`` reports what neither call has reported.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from airflow.sdk.log import redact

from callbacks.lookup import airflow_url, channels, transformer_dsn, warehouse_dsn
from scripts.alerts.failed_runs import Run, day_of_run, failed_run, named_tests
from scripts.alerts.incident import FailedTest, Incident
from scripts.errors import PipelineError
from scripts.settings import deployment

_log = logging.getLogger(__name__)


def alert_task_failure(context: Mapping[str, Any]) -> None:
    """Notify every configured channel that a task failed after its last retry."""
    never_raise(_alert, context, is_again=True)


def alert_run_failure(context: Mapping[str, Any]) -> None:
    """Notify every configured channel that a run failed, unless one of its tasks did so."""
    never_raise(_alert, context, is_again=False)


def alert_recovery(context: Mapping[str, Any]) -> None:
    """Close the open incident that a successful run ends, and notify every channel."""
    never_raise(_recover, context)


def never_raise(act: Callable[..., None], *arguments: Any, **options: Any) -> bool:
    """Call a function and log its error. Return whether it succeeded."""
    try:
        act(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - Airflow drops a callback that raises, and others
        # Only the type and the place, because the text of a library's error can contain a secret.
        file, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} at {file}:{line}"
        _log.error("alerting failed in %s: %s", act.__name__, what)
        return False
    return True


def _alert(context: Mapping[str, Any], *, is_again: bool) -> None:
    from scripts.alerts.delivery import report_failure

    report_failure(warehouse_dsn(), _incident(context), channels(), deployment(), is_again=is_again)


def _recover(context: Mapping[str, Any]) -> None:
    from scripts.alerts.delivery import report_recovery

    fingerprint = _incident(context).fingerprint
    # The dag-processor calls this late if it is busy. A later run can have failed in between.
    ended_at = getattr(context.get("dag_run"), "end_date", None)
    report_recovery(warehouse_dsn(), fingerprint, channels(), deployment(), ended_at)


def _incident(context: Mapping[str, Any]) -> Incident:
    """Return the incident of a context, which can be as small as dag, run_id and reason."""
    dag_run = context.get("dag_run")
    instance = context.get("task_instance") or context.get("ti")
    dag_id = str(getattr(context.get("dag"), "dag_id", None) or getattr(dag_run, "dag_id", "?"))
    run_id = str(context.get("run_id") or getattr(dag_run, "run_id", "?"))
    moment = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
    day = day_of_run(dag_id, context.get("params"), moment, run_id)
    task_id = str(getattr(instance, "task_id", None) or "")
    run = Run(dag_id, run_id, day, task_id, getattr(instance, "try_number", None) or 1)
    error = _error(context)
    tests = _with_keys(named_tests(error), getattr(instance, "start_date", None))
    is_timed_out = context.get("reason") == "timed_out"
    return failed_run(run, airflow_url(), error, tests, is_timed_out=is_timed_out)


def _error(context: Mapping[str, Any]) -> str:
    """Return type and first line of the error. The other lines can contain data of a record."""
    error = context.get("exception")
    if not isinstance(error, BaseException):
        return str(context.get("reason") or "")
    # `redact` masks the secrets that Airflow gave to this process.
    lines = str(redact(str(error))).strip().splitlines() or [""]
    is_test = any("configured to fail" in line for line in lines)  # dbt lists one test per line
    return f"{type(error).__name__}: {' '.join(lines) if is_test else lines[0]}"


def _with_keys(tests: list[FailedTest], since: datetime | None) -> list[FailedTest]:
    """Add the keys of the first invalid rows of each test, if the warehouse answers."""
    if not (tests and since):
        return tests
    from scripts.alerts.dbt_tests import failed_tests

    try:
        found = {test.name: test for test in failed_tests(transformer_dsn(), since)}
    except PipelineError as error:
        _log.warning("cannot read the keys of the invalid rows: %s", error)
        return tests
    return [found.get(test.name, test) for test in tests]
