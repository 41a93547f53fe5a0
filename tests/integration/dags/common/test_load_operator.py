"""The steps of transform_posts that contain logic beyond scripts/, without a scheduler."""

import json
import os
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors

from dags.common import dbt_tasks
from dags.common.assets import LANDING_SWEEP, POSTS_MARTS
from dags.common.connections import landing_store, run_settings, warehouse_dsn
from dags.common.load_operator import LoadPending
from local.ministack import LOGIN, REGION
from scripts.errors import InvalidInputError, NotLandedError, UnavailableError
from scripts.landing.keys import raw_key, today
from scripts.landing.store import Store
from tests.conftest import Warehouse
from tests.integration.reconcile.test_pending import _land, _record

pytestmark = pytest.mark.integration

_TODAY = today()
_YESTERDAY = _TODAY - timedelta(days=1)


@pytest.fixture(autouse=True)
def _connections(warehouse: Warehouse, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point Airflow's connections and the landing bucket to this test's servers."""
    aws = {
        "conn_type": "aws",
        "login": LOGIN,
        "password": LOGIN,
        "extra": {"endpoint_url": store.client.meta.endpoint_url, "region_name": REGION},
    }
    for name, connection in {
        "AWS_DEFAULT": aws,
        "WAREHOUSE": _postgres(warehouse.loader),
        "DBT_POSTGRES_CONN": _postgres(warehouse.transformer),
    }.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"landing_wait_minutes": 7}')
    monkeypatch.setenv("LANDING_BUCKET", store.bucket)


def _postgres(dsn: str) -> dict[str, Any]:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return {
        "conn_type": "postgres",
        "host": parts["host"],
        "port": int(str(parts["port"])),
        "schema": parts["dbname"],
        "login": parts["user"],
        "password": parts["password"],
    }


def _context(run_type: str = "asset_triggered", days: tuple[date, ...] = ()) -> dict[str, Any]:
    """Return a run's context. The event that triggered the run names only today's object."""
    event = SimpleNamespace(extra={"day": _TODAY.isoformat(), "key": raw_key("posts", _TODAY)})
    return {
        "dag": SimpleNamespace(dag_id="transform_posts", params={"days": [], "day": None}),
        "dag_run": SimpleNamespace(run_type=run_type, conf={}),
        "params": {"days": [day.isoformat() for day in days], "day": None},
        "triggering_asset_events": {Asset("raw_posts"): [event]},
    }


def _find(context: dict[str, Any], **event: Any) -> dict[str, Any]:
    clients = landing_store(), warehouse_dsn(), run_settings()
    return LoadPending(task_id="load").plan(context, *clients, **event).facts()


def test_an_event_does_not_decide_what_is_loaded(store: Store) -> None:
    for day in (_YESTERDAY, _TODAY):
        _land(store, day)
    assert _find(_context())["objects"] == [["posts", str(_YESTERDAY)], ["posts", str(_TODAY)]]


def test_an_event_without_work_is_skipped_and_a_run_by_hand_is_not() -> None:
    with pytest.raises(AirflowSkipException):
        _find(_context())
    assert _find(_context("manual")) == {"objects": [], "unpublished": 0, "is_reload": False}


def test_a_day_that_has_not_landed_is_waited_for_and_then_planned(store: Store) -> None:
    _land(store, _YESTERDAY)
    manual = _context("manual", (_YESTERDAY, _TODAY))

    with pytest.raises(TaskDeferred) as waits:
        _find(manual)

    assert waits.value.trigger.bucket_name == store.bucket
    assert waits.value.trigger.bucket_key == [raw_key("*", _TODAY)]
    assert waits.value.timeout == timedelta(minutes=7)
    _land(store, _TODAY)
    work = _find(manual, event={"status": "success"})
    assert work["objects"] == [["posts", str(_YESTERDAY)], ["posts", str(_TODAY)]]
    assert work["is_reload"]


@pytest.mark.usefixtures("store")
def test_a_wait_ends_in_an_error_that_says_why() -> None:
    manual = _context("manual", (_TODAY,))
    with pytest.raises(NotLandedError):  # the object was deleted again
        _find(manual, event={"status": "success"})
    with pytest.raises(UnavailableError, match="no such host"):
        _find(manual, event={"status": "error", "message": "no such host"})
    with pytest.raises(InvalidInputError, match=f"waited 7 minutes.*{_TODAY} has landed"):
        LoadPending(task_id="load").resume_execution(
            "__fail__", {"error": "Trigger timeout"}, manual
        )


@pytest.mark.parametrize("what", ["landed", "loaded"])
def test_what_came_meanwhile_calls_for_another_run(
    warehouse: Warehouse, store: Store, what: str
) -> None:
    _land(store, _TODAY)
    done = _find(_context())
    _record(warehouse, store, _TODAY, published_at="now")
    assert _published(done) == []

    _land(store, _YESTERDAY)
    if what == "loaded":
        _record(warehouse, store, _YESTERDAY)
    (event,) = _published(done)
    assert event.dest_asset_key.name == LANDING_SWEEP.name


@pytest.mark.usefixtures("warehouse")
def test_work_that_a_run_tried_without_success_starts_no_run(store: Store) -> None:
    _land(store, _TODAY)
    assert _published(_find(_context())) == []


def _published(done: dict[str, Any]) -> list[Any]:
    """Return the events that trigger another run, after a run has published this work."""
    outlets = OutletEventAccessors()
    instance = SimpleNamespace(xcom_pull={"load": {"work": done}}.get)
    dbt_tasks._report_publication({"outlet_events": outlets, "ti": instance})
    assert "days" in outlets[POSTS_MARTS].extra
    return outlets[dbt_tasks._MORE_LANDED].asset_alias_events


def test_a_dbt_task_holds_its_lock_until_its_process_ends(warehouse: Warehouse) -> None:
    alone = "lock table ops.dbt_lock in exclusive mode"
    with psycopg.connect(warehouse.transformer) as other:
        dbt_tasks.prepare_dbt({})
        dbt_tasks.prepare_dbt({})  # as another task does meanwhile
        other.execute("set local statement_timeout = '1s'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute(alone)
        other.rollback()
        dbt_tasks._until_exit.close()
        other.execute("set local statement_timeout = '10s'")
        other.execute(alone)


def test_a_dbt_task_trusts_the_certificates_of_its_connection(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cosmos writes a profile without them."""
    extra = {"sslmode": "prefer", "sslrootcert": str(tmp_path / "rds.pem")}
    connection = {**_postgres(warehouse.transformer), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DBT_POSTGRES_CONN", json.dumps(connection))
    monkeypatch.setenv("PGSSLROOTCERT", "restored after the test")
    monkeypatch.setenv("PGSSLMODE", "restored after the test")
    dbt_tasks.prepare_dbt({})
    dbt_tasks._until_exit.close()
    assert (os.environ["PGSSLMODE"], os.environ["PGSSLROOTCERT"]) == tuple(extra.values())
