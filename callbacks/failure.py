"""The callbacks of tasks and runs: the fast path. Invariant: a callback never raises.

Airflow calls the task's callback in the task's process and the run's in the dag-processor; a killed
task has only the second, most failures have both. The incident's row in the warehouse decides which
of them speaks. What neither tells, ``watch_pipeline`` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from callbacks.lookup import airflow_url, channels, warehouse_dsn
from scripts.alerts.failed_runs import Run, day_of_run, failed_run, named_tests
from scripts.alerts.incident import FailedTest, Incident
from scripts.errors import PipelineError
from scripts.settings import deployment

_log = logging.getLogger(__name__)


def alert_task_failure(context: Mapping[str, Any]) -> None:
    """Tell every configured channel that a task has failed for good."""
    _never_raise(_alert, context, is_again=True)


def alert_run_failure(context: Mapping[str, Any]) -> None:
    """Tell every configured channel that a run has failed, unless one of its tasks did so."""
    _never_raise(_alert, context, is_again=False)


def alert_recovery(context: Mapping[str, Any]) -> None:
    """Close the incident that a good run ends, if one is open, and say so on every channel."""
    _never_raise(_recover, context)


def incident_of(context: Mapping[str, Any]) -> Incident:
    """Return what a callback's context says, which may hold no more than dag, run_id and reason."""
    dag_run = context.get("dag_run")
    instance = context.get("task_instance") or context.get("ti")
    dag_id = str(getattr(context.get("dag"), "dag_id", None) or getattr(dag_run, "dag_id", "?"))
    run_id = str(context.get("run_id") or getattr(dag_run, "run_id", "?"))
    moment = getattr(dag_run, "logical_date", None) or getattr(dag_run, "run_after", None)
    run = Run(
        dag_id,
        run_id,
        day_of_run(dag_id, context.get("params"), moment, run_id),
        str(getattr(instance, "task_id", None) or ""),
        getattr(instance, "try_number", None) or 1,
    )
    is_timed_out = context.get("reason") == "timed_out"
    error = _error(context)
    tests = _with_keys(named_tests(error), getattr(instance, "start_date", None))
    return failed_run(run, airflow_url(), error, tests, is_timed_out=is_timed_out)


def _alert(context: Mapping[str, Any], *, is_again: bool) -> None:
    from scripts.alerts.immediate import report_failure

    report_failure(
        warehouse_dsn(), incident_of(context), channels(), deployment(), is_again=is_again
    )


def _recover(context: Mapping[str, Any]) -> None:
    from scripts.alerts.immediate import report_recovery

    report_recovery(warehouse_dsn(), incident_of(context).fingerprint, channels(), deployment())


def _error(context: Mapping[str, Any]) -> str:
    """Return type and first line of the error; the lines below may hold a record's content."""
    error = context.get("exception")
    if not isinstance(error, BaseException):
        return str(context.get("reason") or "")
    text = _masked(str(error))
    lines = text.strip().splitlines() or [""]
    if "configured to fail" in text:  # dbt's list of failed tests is one a line
        lines = [" ".join(lines)]
    return f"{type(error).__name__}: {lines[0]}"


def _with_keys(tests: list[FailedTest], since: datetime | None) -> list[FailedTest]:
    """Add the keys of the first rows that each test found, where the warehouse can be asked."""
    if not (tests and since):
        return tests
    from scripts.alerts.dbt_tests import failed_tests

    try:
        found = {test.name: test for test in failed_tests(warehouse_dsn(), since)}
    except PipelineError as error:
        _log.warning("no warehouse to ask which rows failed: %s", error)
        return tests
    return [found.get(test.name, test) for test in tests]


def _masked(text: str) -> str:
    """Return the text without what Airflow has handed to this process as a secret."""
    from airflow.sdk.log import redact

    return str(redact(text))


def _never_raise(act: Callable[..., None], *arguments: Any, **options: Any) -> None:
    try:
        act(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - a callback that raises is lost, and others with it
        # Only the type: the text of a library's error may hold a webhook's or a server's secret.
        _log.error("alerting failed in %s: %s", act.__name__, type(error).__name__)
