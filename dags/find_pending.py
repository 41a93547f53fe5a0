"""The first step of ``transform_posts``: what is there to be done?

Invariant: it waits in the triggerer, without a worker slot, and only where somebody named a day of
which nothing has landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferralTimeout

from scripts.errors import NotLandedError, RefusedError, UnavailableError


class FindPending(BaseOperator):
    """Plan a run's work from the landing zone and the ledger; its triggering events are ignored."""

    def execute(self, context: Any, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the work, or skip the run; `event` is what the trigger of a wait has seen."""
        from dags.shared import landing_store, run_settings, warehouse_dsn
        from scripts.pending import plan_work

        if event and event["status"] == "error":
            raise UnavailableError(f"waiting for a named day: {event['message']}")
        is_manual = context["dag_run"].run_type == "manual"
        store, settings = landing_store(), run_settings()
        try:
            work = plan_work(
                store,
                warehouse_dsn(),
                settings,
                days=context["params"]["days"],
                is_full_sweep=is_manual,
            )
        except NotLandedError as error:
            if event:  # it was there a moment ago
                raise
            self._wait_for(error, store.bucket, settings.landing_wait_minutes)
        if not (work or is_manual):
            raise AirflowSkipException("nothing landed that is not loaded and published")
        return work.facts()

    def _wait_for(self, missing: NotLandedError, bucket: str, minutes: float) -> NoReturn:
        """Sleep until something has landed for each of these days, and plan again."""
        from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger

        from scripts.keys import raw_key

        keys = [raw_key("*", day) for day in missing.days]
        self.log.info("%s: waiting up to %g minutes for %s", missing, minutes, ", ".join(keys))
        self.defer(
            trigger=S3KeyTrigger(bucket, keys, wildcard_match=True),
            method_name="execute",
            timeout=timedelta(minutes=minutes),
        )

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """Go on after a wait; one that took too long is no reason to wait again."""
        from dags.shared import run_settings

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            days = ", ".join(context["params"]["days"])
            minutes = run_settings().landing_wait_minutes
            raise RefusedError(
                f"waited {minutes:g} minutes, and not all of {days} has landed: ingest it, "
                "or name other days"
            ) from None
