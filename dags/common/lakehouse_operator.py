"""The dbt step of ``transform_posts`` on a lakehouse: build, test and publish in a child process.

dbt-spark is not in Airflow's environment. Invariant: the child process ends before the task's
timeout.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator


class BuildOnEngine(BaseOperator):
    """Runs `scripts.dbt`, which takes the lock of dbt. `full_refresh` renders to True or False."""

    template_fields = ("full_refresh",)

    def __init__(self, *, full_refresh: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.full_refresh = full_refresh

    def execute(self, context: Any) -> None:
        """Build. Raises BuildFailedError with dbt's own words, on which the policy decides."""
        from dags.common.connections import run_settings, transformer_dsn
        from scripts.dbt import build_and_publish
        from scripts.settings import enter_run_settings

        del context
        enter_run_settings(run_settings())
        options = ["--full-refresh"] if self.full_refresh == "True" else []
        build_and_publish(transformer_dsn(), *options)
