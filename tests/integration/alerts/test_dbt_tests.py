"""The facts that a dbt failure leaves for an alert, and whether Airflow retries its task."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from cosmos.dbt.runner import handle_exception_if_needed

from dags.common.retry_policy import WarehousePolicy
from local.postgres import PostgresServer
from local.processes import free_port
from scripts.alerts.dbt_tests import failed_tests
from scripts.alerts.incident import FailedTest
from tests.integration.dbt.support import Baseline, Dbt, Loader, days, post

pytestmark = pytest.mark.integration

DAY, *LATER = days(4)
SECRET = "a title that must not be told"


@pytest.fixture(scope="module")
def baseline(
    postgres: PostgresServer, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Baseline, Dbt]:
    """A warehouse where dbt has never run."""
    baseline = Baseline(postgres, _migrated_template, "dbt_failures")
    baseline.keep()
    return baseline, Dbt(baseline.warehouse, tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def dbt(baseline: tuple[Baseline, Dbt]) -> Dbt:
    kept, dbt = baseline
    kept.restore()
    return dbt


def _found(dbt: Dbt, since: datetime, **options: Any) -> list[FailedTest]:
    return failed_tests(dbt.warehouse.transformer, since, **options)


def test_where_dbt_has_never_run_nothing_has_failed(dbt: Dbt) -> None:
    assert _found(dbt, datetime.now(UTC)) == []


def test_a_failed_test_is_reported_by_name_count_and_first_keys(dbt: Dbt) -> None:
    since = datetime.now(UTC)
    posts = [post(n, title=SECRET) for n in range(7)]
    Loader(dbt.warehouse).load(DAY, posts + posts[2:])
    assert not dbt.invoke("build").success

    [found] = _found(dbt, since, first=2)

    assert found == FailedTest(
        "unique_combination_of_columns_stg_posts_post_id__day",
        5,
        ("post_id=2, day=2026-01-01", "post_id=3, day=2026-01-01"),
        "error",
    )


def test_the_keys_of_whole_rows_leave_out_their_content(dbt: Dbt) -> None:
    since = datetime.now(UTC)
    load_id = Loader(dbt.warehouse).load(DAY, [{"userId": 3, "id": 7, "title": SECRET}])
    assert not dbt.invoke("build").success

    [found] = [f for f in _found(dbt, since) if f.name.startswith("not_null_columns_stg_posts")]

    assert found.keys == (f"post_id=7, author_id=3, day=2026-01-01, load_id={load_id}",)


def test_a_warning_is_reported_as_one_and_what_passes_later_is_reported_no_more(dbt: Dbt) -> None:
    since = datetime.now(UTC)
    loader = Loader(dbt.warehouse)
    for day in LATER[:2]:
        loader.load(day, [post(n) for n in range(50)])
    loader.load(LATER[2], [post(1)])
    dbt.build()
    assert _found(dbt, since) == [
        FailedTest("volume_is_usual", 1, (f"source=posts, day={LATER[2]}",), "warn")
    ]
    assert _found(dbt, datetime.now(UTC) + timedelta(minutes=1)) == []

    dbt.publish()
    dbt.build()
    assert _found(dbt, since) == []


def test_a_source_that_fails_before_anything_was_built_is_reported(dbt: Dbt) -> None:
    since = datetime.now(UTC)
    with psycopg.connect(dbt.warehouse.admin) as connection:
        connection.execute("drop index ops.loads_one_current_a_day")
    with psycopg.connect(dbt.warehouse.loader) as connection:
        for load_id in (1, 2):
            connection.execute(
                """
                insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes,
                    sha256, state, received, loaded, rejected, seconds, is_current)
                values (%s, 'posts', %s, 'k', 'e', now(), 1, 'ab', 'loaded', 0, 0, 0, 1, true)
                """,
                (load_id, DAY),
            )
    assert not dbt.invoke("test", "--select", "source:*").success
    assert [(f.name, f.keys) for f in _found(dbt, since)] == [
        ("one_current_load_a_day", ("source=posts, day=2026-01-01",))
    ]


# --- retried or not ----------------------------------------------------------------------------


def _decision(result: Any) -> RetryAction:
    """Return the retry decision for the exception that Cosmos raises for a result."""
    with pytest.raises(Exception, match="dbt invocation") as raised:
        handle_exception_if_needed(result)
    return WarehousePolicy().evaluate(raised.value, 1, 3).action


def test_a_failed_test_is_not_tried_again(dbt: Dbt) -> None:
    Loader(dbt.warehouse).load(DAY, [post(1, "server closed the connection"), post(1)])
    assert _decision(dbt.invoke("build")) is RetryAction.FAIL


def test_a_model_that_does_not_run_is_not_tried_again(dbt: Dbt) -> None:
    with psycopg.connect(dbt.warehouse.admin) as connection:
        connection.execute("drop table raw.posts_rows cascade")
    assert _decision(dbt.invoke("build")) is RetryAction.FAIL


def test_a_warehouse_that_is_away_is_tried_again(dbt: Dbt) -> None:
    away = dbt.invoke("build", env={"DBT_PORT": str(free_port())})
    assert _decision(away) is RetryAction.RETRY


def test_a_publish_that_readers_hold_up_is_tried_again(dbt: Dbt) -> None:
    """The publish here runs at the end of a build."""
    Loader(dbt.warehouse).load(DAY, [post(1)])
    asked = {"PIPELINE_DBT_PUBLISH": "true", "PGOPTIONS": "-c lock_timeout=100ms"}
    with psycopg.connect(dbt.warehouse.transformer) as other:
        other.execute("lock table ops.publish_lock in exclusive mode")
        assert _decision(dbt.invoke("build", env=asked)) is RetryAction.RETRY


def test_a_connection_that_breaks_in_the_middle_is_tried_again(dbt: Dbt) -> None:
    """A view replaces the ledger and terminates the session that reads it."""
    Loader(dbt.warehouse).load(DAY, [post(1)])
    with psycopg.connect(dbt.warehouse.admin) as connection:
        connection.execute("alter table ops.loads rename to loads_kept")
        connection.execute(
            "create view ops.loads as select * from ops.loads_kept"
            " where pg_terminate_backend(pg_backend_pid())"
        )
        connection.execute("grant select on ops.loads to transformer")
    assert _decision(dbt.invoke("run", "--select", "pinned_loads")) is RetryAction.RETRY
