"""The dbt project as Airflow tasks, through Cosmos: one task per model, or one for all models.

On a lakehouse it is one task, which starts dbt beside the engine.

Invariant: drawing the graph reads one file, writes none, and needs no database and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import AssetAlias, TaskGroup
from cosmos import (
    DbtTaskGroup,
    ExecutionConfig,
    LoadMode,
    ProfileConfig,
    ProjectConfig,
    RenderConfig,
    TestBehavior,
)
from cosmos import settings as cosmos_settings
from cosmos.constants import InvocationMode
from cosmos.operators.local import (
    DbtBuildLocalOperator,
    DbtTestLocalOperator,
)
from cosmos.profiles import PostgresUserPasswordProfileMapping

from dags.common.assets import LANDING_SWEEP, POSTS_MARTS
from dags.common.defaults import DEPLOYMENT
from dags.common.lakehouse_operator import BuildOnEngine
from dags.common.publish_operator import PublishMarts
from dags.common.retry_policy import WarehousePolicy

_PROJECT = Path(__file__).parents[2] / "dbt"
_MORE_LANDED = AssetAlias("more_landed")  # an outlet without events unless some are added
_PROFILE = ProfileConfig(
    profile_name="elt",
    target_name="prod",
    profile_mapping=PostgresUserPasswordProfileMapping(
        conn_id="dbt_postgres_conn",
        profile_args={"schema": "build", "threads": 2, "keepalives_idle": 30},
    ),
)
_ENV = {
    "DBT_LOG_LEVEL_FILE": "none",  # Airflow keeps the log of a task
    "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",  # `make test` runs them
    "DBT_WRITE_JSON": "false",  # no reader needs a task's manifest, and writing it is slow
    "DBT_CACHE_SELECTED_ONLY": "true",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "PGCLIENTENCODING": "UTF8",  # whatever the environment or the role prefers
}
_until_exit = ExitStack()  # of the process of the task


def prepare_dbt(_context: Any) -> None:
    """Before a dbt task: share the lock of dbt until this process ends, and hand over settings.

    Cosmos' profile takes sslmode from the connection, but not the file of certificates.
    """
    from dags.common.connections import run_settings, transformer_dsn
    from scripts.settings import enter_dbt_settings, enter_tls_environment
    from scripts.warehouse.dbt_lock import dbt_lock

    enter_dbt_settings(run_settings())
    dsn = transformer_dsn()
    enter_tls_environment(dsn)
    (_CACHE / "target").mkdir(parents=True, exist_ok=True)
    _until_exit.enter_context(dbt_lock(dsn, is_alone=False))


# A manual run without days builds and tests the marts from every load again.
_REBUILDS = "{{ dag_run.run_type == 'manual' and not params.days and not params.day }}"
_OPERATOR_ARGS: dict[str, Any] = {
    "append_env": True,
    "execution_timeout": timedelta(minutes=30),
    "retry_policy": WarehousePolicy(),
    "pre_execute": prepare_dbt,
}
# Without its own cache folder, a single command parses the whole project each time.
_CACHE = Path(cosmos_settings.cache_dir) / "transform_posts__single"
_ONE_COMMAND: dict[str, Any] = {
    "project_dir": _PROJECT,
    "profile_config": _PROFILE,
    "invocation_mode": InvocationMode.DBT_RUNNER,
    "emit_datasets": False,
    "env": _ENV,
    "install_deps": False,
    "cache_dir": _CACHE,
    **_OPERATOR_ARGS,
}


def _report_publication(context: Any, _result: Any = None) -> None:
    """Attach the publication to its event, and start another run if more work is pending.

    The event of that work may be stranded, or there was more than one batch of it.
    """
    from dags.common.connections import landing_store, run_settings, warehouse_dsn
    from scripts.reconcile.pending import Work, last_published, work_left

    events, dsn = context["outlet_events"], warehouse_dsn()
    events[POSTS_MARTS].extra.update(last_published(dsn))
    done = Work.of_facts(context["ti"].xcom_pull("load")["work"])
    if left := work_left(landing_store(), dsn, run_settings(), done):
        events[_MORE_LANDED].add(LANDING_SWEEP, extra=left.facts())


_PUBLISHES: dict[str, Any] = {
    "outlets": [POSTS_MARTS, _MORE_LANDED],
    "post_execute": _report_publication,
}


def build_and_publish() -> Sequence[Any]:
    """Return the steps that build and test the models in schema build and publish the marts."""
    if DEPLOYMENT.warehouse == "delta":
        return [_on_engine()]
    if DEPLOYMENT.dbt_single_task:
        return [_one_task()]
    # Cosmos' build tasks never run the tests of a source. The models do not wait for them: a build
    # is not published if a test of its sources has failed.
    test_sources = DbtTestLocalOperator(task_id="test_sources", select="source:*", **_ONE_COMMAND)
    publish = PublishMarts(task_id="publish", macro_name="publish", **_ONE_COMMAND, **_PUBLISHES)
    return [[test_sources, _task_per_model()], publish]


def _one_task() -> TaskGroup:
    """Return one `dbt build`, which tests the sources before their models, and publishes."""
    publishing = {**_ONE_COMMAND, "env": {**_ENV, "PIPELINE_DBT_PUBLISH": "true"}}
    with TaskGroup("dbt") as group:
        DbtBuildLocalOperator(
            task_id="build_and_publish", full_refresh=_REBUILDS, **publishing, **_PUBLISHES
        )
    return group


def _on_engine() -> TaskGroup:
    """Return one task that builds and publishes on the engine of the lakehouse."""
    engine = DEPLOYMENT.engine()
    with TaskGroup("dbt") as group:
        BuildOnEngine(
            task_id="build_and_publish",
            full_refresh=_REBUILDS,
            # Its process ends before, at the deadline of the engine.
            execution_timeout=timedelta(seconds=engine.timeout_seconds) + timedelta(minutes=2),
            retry_policy=WarehousePolicy(),
            **_PUBLISHES,
        )
    return group


def _task_per_model() -> DbtTaskGroup:
    return DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(
            dbt_project_path=_PROJECT,
            manifest_path=_PROJECT / "target" / "manifest.json",
            install_dbt_deps=False,  # the project has no packages
            env_vars=_ENV,
        ),
        profile_config=_PROFILE,
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.BUILD,
            emit_datasets=False,
        ),
        execution_config=ExecutionConfig(invocation_mode=InvocationMode.DBT_RUNNER),
        operator_args={**_OPERATOR_ARGS, "full_refresh": _REBUILDS},
    )
