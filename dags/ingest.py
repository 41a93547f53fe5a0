"""Fetch every declared source once a day and land it, completely or not at all.

**What**: one DAG per source, ``ingest_<source>``. Its only task reads the source's list from the
API (connection ``<api>_api``), checks that the answer is complete, and writes it to
``s3://$LANDING_BUCKET/raw/<source>/<day>.json``. The same answer again writes nothing
(idempotent). Then the asset ``raw_<source>`` triggers ``transform_posts``. A source that is asked
for one day (``Window``, ``Changes``) lands the day that has ended: a run at midnight lands the day
before, and looks back as many days as the source declares.

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

from airflow.sdk import DAG, Param, dag, task

from dags.common.assets import raw_asset
from dags.common.defaults import DEPLOYMENT, defaults_of
from dags.common.parameters import check_conf, ingest_days
from sources import SOURCES, Source


def ingest_dag(source: Source) -> DAG:
    """Build the ingest DAG of one source."""
    raw = raw_asset(source)

    @dag(
        dag_id=f"ingest_{source.name}",
        schedule=source.api.schedule or DEPLOYMENT.ingest_schedule,
        doc_md=__doc__,
        tags=["ingest", source.name, source.api.connection],
        max_active_runs=4,
        dagrun_timeout=timedelta(hours=2),
        params={
            "day": Param(
                None,
                type=["null", "string"],
                format="date",
                description="day to land (YYYY-MM-DD). Empty: the day that is due at the run",
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
            from scripts.extract.extract import extract_days

            check_conf(dag_run, dag)
            days = ingest_days(source, dag_run, params["day"])
            store = landing_store(DEPLOYMENT.ingest_aws_conn_id)
            facts = extract_days(source, days, api_endpoint(source.api), store, run_settings())
            outlet_events[raw].extra.update(facts)
            return facts

        land()

    built: DAG = ingest()
    return built


for _source in SOURCES.values():
    globals()[f"ingest_{_source.name}"] = ingest_dag(_source)
