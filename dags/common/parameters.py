"""Parameters of a manual run. Invariant: one that no DAG declares is refused, not ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scripts.errors import InvalidInputError

if TYPE_CHECKING:
    from airflow.sdk import DAG


def check_conf(dag_run: Any, dag: DAG) -> None:
    """Raise InvalidInputError if the run was given a parameter that its DAG does not declare."""
    unknown = sorted((dag_run.conf or {}).keys() - dag.params.keys())
    if unknown:
        known = ", ".join(sorted(dag.params)) or "none"
        raise InvalidInputError(
            f"{dag.dag_id} has no parameter {', '.join(unknown)}. Its parameters: {known}"
        )


def named_days(params: Mapping[str, Any]) -> list[str]:
    """Return the days that a run of ``transform_posts`` names, as ``days`` or as ``day``."""
    one = [params["day"]] if params["day"] else []
    return sorted({*params["days"], *one})
