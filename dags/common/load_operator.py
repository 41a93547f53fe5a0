"""The first step of ``transform_posts``: load what landed but is not loaded.

Invariant: it waits only for a named day that has not landed, in the triggerer, without a worker
slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferralTimeout

from dags.common.parameters import check_conf, named_days
from scripts.errors import InvalidInputError, NotLandedError, UnavailableError

if TYPE_CHECKING:
    from scripts.landing.store import Store
    from scripts.reconcile.pending import Work
    from scripts.settings import RunSettings


class LoadPending(BaseOperator):
    """Load what is pending according to landing zone and ledger. It ignores the run's events."""

    def execute(self, context: Any, event: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Load, and return the run's work with its records and objects by outcome."""
        from dags.common.connections import (
            landing_store,
            run_settings,
            transformer_dsn,
            warehouse_dsn,
        )
        from scripts.load.load import load_work, summary
        from scripts.load.superseded import clean_up_all

        store, dsn, settings = landing_store(), warehouse_dsn(), run_settings()
        work = self.plan(context, store, dsn, settings, event)
        results = load_work(work, store, dsn, settings, context["run_id"])
        return {
            "work": work.facts(),
            **summary(results),
            "rows_cleaned_up": clean_up_all(dsn, transformer_dsn(), settings),
        }

    def plan(
        self,
        context: Any,
        store: Store,
        dsn: str,
        settings: RunSettings,
        event: Mapping[str, Any] | None = None,
    ) -> Work:
        """Return the work, or skip the run. `event` comes from the trigger of a wait."""
        from scripts.reconcile.pending import plan_work

        if event and event["status"] == "error":
            raise UnavailableError(f"waiting for a named day failed: {event['message']}")
        check_conf(context["dag_run"], context["dag"])
        is_manual = context["dag_run"].run_type == "manual"
        days = named_days(context["params"])
        try:
            work = plan_work(store, dsn, settings, days=days, is_full_sweep=is_manual)
        except NotLandedError as error:
            if event:  # it was deleted again
                raise
            self._wait_for(error, store.bucket, settings.landing_wait_minutes)
        if not (work or is_manual):
            raise AirflowSkipException("everything that landed is loaded and published")
        return work

    def _wait_for(self, missing: NotLandedError, bucket: str, minutes: float) -> NoReturn:
        """Defer until an object has landed for each of these days, then plan again."""
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
        """Continue after a wait. A wait that timed out fails without a retry."""
        from dags.common.connections import run_settings

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            days = ", ".join(named_days(context["params"]))
            minutes = run_settings().landing_wait_minutes
            raise InvalidInputError(
                f"waited {minutes:g} minutes, but not every day of {days} has landed. "
                "Ingest it, or name other days"
            ) from None
