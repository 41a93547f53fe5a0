"""Fetch every declared source once a day and land it, completely or not at all.

**What**: one DAG per source, ``ingest_<source>``. Its only task reads the source's list from the
API (connection ``<api>_api``), checks that the answer is complete, and writes it to
``s3://$LANDING_BUCKET/raw/<source>/<day>.json``. The same answer again writes nothing
(idempotent). Then the asset ``raw_<source>`` triggers ``transform_posts``. A source that is asked
for one day (``Window``, ``Changes``) lands the day that has ended: a run at midnight lands the day
before, and looks back as many days as the source declares. A source with a ``parent`` runs when
its parent has landed. It lands every day whose children are missing or belong to other parents,
the oldest first: the landing zone decides, not the event.

**Rerun**: trigger it manually. The parameter ``day`` names another day. Clear works too.
``airflow backfill create`` asks for the day of each of its runs, and does not look back.

**Triage**: an answer that is refused (not JSON, truncated, too large, empty) fails immediately,
and the error names the URL and the byte. An API that does not answer is retried first. In both
cases nothing lands and earlier days do not change. Check a fixed API with ``python -m
scripts.extract <source> --day <day>``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common.assets import raw_asset
from dags.common.defaults import DEPLOYMENT, defaults_of
from dags.common.parameters import check_conf, ingest_days
from sources import SOURCES, Source


def ingest_dag(source: Source) -> DAG:
    """Build the ingest DAG of one source."""
    raw = raw_asset(source)

    @dag(
        dag_id=f"ingest_{source.name}",
        schedule=_schedule(source),
        doc_md=__doc__,
        tags=["ingest", source.name, source.api.connection],
        max_active_runs=1 if source.parent else 4,  # two runs would fetch the same pending days
        dagrun_timeout=timedelta(hours=2),
        params={
            "day": Param(
                None,
                type=["null", "string"],
                format="date",
                description="day to land (YYYY-MM-DD). Empty: the day that is due at the run, or "
                "with a parent every pending day",
            )
        },
        **defaults_of(source.api.owner),
    )
    def ingest() -> None:
        @task(outlets=[raw])
        def land(
            params: Any = None, dag_run: Any = None, dag: Any = None, outlet_events: Any = None
        ) -> dict[str, Any]:
            from dags.common.connections import api_endpoint, landing_store, run_settings
            from scripts.extract.extract import extract_days, extract_pending
            from scripts.reconcile.pending_children import pending_children

            check_conf(dag_run, dag)
            store, settings = landing_store(DEPLOYMENT.ingest_aws_conn_id), run_settings()
            endpoint = api_endpoint(source.api)
            if source.parent and not params["day"]:
                days = pending_children(source, source.parent, store, settings)
                if not days:
                    raise AirflowSkipException("every day that its parent has landed is fetched")
                facts = extract_pending(source, days, endpoint, store, settings)
            else:
                days = ingest_days(source, dag_run, params["day"])
                facts = extract_days(source, days, endpoint, store, settings)
            outlet_events[raw].extra.update(facts)
            return facts

        land()

    built: DAG = ingest()
    return built


def _schedule(source: Source) -> Asset | str:
    """Return what starts the runs of a source: its parent's asset, or the cron of its API."""
    if source.parent:
        return raw_asset(source.parent.source)
    return source.api.schedule or DEPLOYMENT.ingest_schedule


for _source in SOURCES.values():
    globals()[f"ingest_{_source.name}"] = ingest_dag(_source)
