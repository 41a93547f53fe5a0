"""The first step of ``transform_posts``: load what landed and is not loaded.

Invariant: it waits in the triggerer, without a worker slot, and only where somebody named a day of
which nothing has landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferralTimeout

from scripts.errors import InvalidInputError, NotLandedError, UnavailableError

if TYPE_CHECKING:
    from scripts.landing.store import Store
    from scripts.reconcile.pending import Work
    from scripts.settings import RunSettings


class LoadPending(BaseOperator):
    """Load what the landing zone and the ledger say is pending; the run's events are ignored."""

    def execute(self, context: Any, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Load; return the run's work, and records and objects by outcome."""
        from dags.common.connections import landing_store, run_settings, warehouse_dsn
        from scripts.load.load import load_work, summary
        from scripts.load.superseded import clean_up_all

        store, dsn, settings = landing_store(), warehouse_dsn(), run_settings()
        work = self.plan(context, store, dsn, settings, event)
        results = load_work(work, store, dsn, settings, context["run_id"])
        return {
            "work": work.facts(),
            **summary(results),
            "rows_cleaned_up": clean_up_all(dsn, settings),
        }

    def plan(
        self,
        context: Any,
        store: Store,
        dsn: str,
        settings: RunSettings,
        event: Mapping[str, Any] | None = None,
    ) -> Work:
        """Return the work, or skip the run; `event` is what the trigger of a wait has seen."""
        from scripts.reconcile.pending import plan_work

        if event and event["status"] == "error":
            raise UnavailableError(f"waiting for a named day: {event['message']}")
        is_manual = context["dag_run"].run_type == "manual"
        days = context["params"]["days"]
        try:
            work = plan_work(store, dsn, settings, days=days, is_full_sweep=is_manual)
        except NotLandedError as error:
            if event:  # it was there a moment ago
                raise
            self._wait_for(error, store.bucket, settings.landing_wait_minutes)
        if not (work or is_manual):
            raise AirflowSkipException("nothing landed that is not loaded and published")
        return work

    def _wait_for(self, missing: NotLandedError, bucket: str, minutes: float) -> NoReturn:
        """Sleep until something has landed for each of these days, and plan again."""
        from airflow.providers.amazon.aws.triggers.s3 import S3KeyTrigger

        from scripts.landing.keys import raw_key

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
        from dags.common.connections import run_settings

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            days = ", ".join(context["params"]["days"])
            minutes = run_settings().landing_wait_minutes
            raise InvalidInputError(
                f"waited {minutes:g} minutes, and not all of {days} has landed: ingest it, "
                "or name other days"
            ) from None
