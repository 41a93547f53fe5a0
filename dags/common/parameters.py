"""Parameters of a manual run. Invariant: one that no DAG declares is refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scripts.errors import InvalidInputError

if TYPE_CHECKING:
    from datetime import date

    from airflow.sdk import DAG

    from sources import Source


def check_conf(dag_run: Any, dag: DAG) -> None:
    """Raise InvalidInputError if the run was given a parameter that its DAG does not declare."""
    unknown = sorted((dag_run.conf or {}).keys() - dag.params.keys())
    if unknown:
        known = ", ".join(sorted(dag.params)) or "none"
        raise InvalidInputError(
            f"{dag.dag_id} has no parameter {', '.join(unknown)}. Its parameters: {known}"
        )


def ingest_days(source: Source, dag_run: Any, named: str | None) -> list[date]:
    """Return the days that a run of ``ingest_<source>`` asks for: the named one, else those due.

    The run is due at its logical date or, without one, at its creation.

    Raises:
        InvalidInputError: it is no possible day.
    """
    from scripts.extract.days import days_of_run
    from scripts.landing.keys import parse_day

    if named:
        return [parse_day(named)]
    moment = dag_run.logical_date or dag_run.run_after
    return days_of_run(source, moment, looks_back=dag_run.run_type != "backfill")


def named_days(params: Mapping[str, Any]) -> list[str]:
    """Return the days that a run of ``transform_posts`` names, as ``days`` or as ``day``."""
    one = [params["day"]] if params["day"] else []
    return sorted({*params["days"], *one})
