"""The scheduled watch reports each class of problem that only the state shows, and its recovery.

Each test causes the real problem, with the normal settings set to short thresholds. Only the
pipeline writes to the warehouse, except for the row that a test deletes to make a dbt test fail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import psutil
import psycopg
import pytest

from local.stack import Stack
from scripts.landing.keys import today
from tests.e2e.alerts.harness import LOOK, WATCH, Harness, posts, say
from tests.stack import now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(600)]

_SOON = WATCH + LOOK  # the goal for problems that only the state shows
_RUN = 120  # seconds that a transform may take before that


def _alerted(harness: Harness, title: str, since: datetime, grace: float = 0) -> None:
    """Wait for an alert that the state causes after `grace` seconds, and check it on the goal."""
    sent = harness.wait_for_alert(title, "opened", grace + _SOON)
    say(f"{title}: alert {(sent['slack'] - since).total_seconds():.1f} s after it was detectable")


def _is_loaded(harness: Harness, day: str, state: str = "loaded") -> datetime:
    """Wait until a day's object was loaded or parked, and return the time."""
    latest = "select loaded_at from ops.loads where day = %s and state = %s order by load_id desc"
    rows = wait_for(lambda: harness.stack.query(latest, day, state), bool, _RUN)
    when: datetime = rows[0][0]
    return when


def test_an_object_that_is_parked(harness: Harness) -> None:
    day, title = "2025-03-01", "posts: an object was parked (2025-03-01)"
    harness.drop(day, {"not": "a list"})
    _alerted(harness, title, _is_loaded(harness, day, "parked"))

    harness.drop(day, posts(40))
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, f"posts/object-parked/{day}")


def test_rejects_above_the_warning_share(harness: Harness) -> None:
    day, title = "2025-03-02", "posts has many rejected records (2025-03-02)"
    harness.drop(day, posts(40, bad=2))
    _alerted(harness, title, _is_loaded(harness, day))

    harness.drop(day, posts(40))
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, f"posts/many-rejects/{day}")


def test_an_object_that_was_deleted(harness: Harness) -> None:
    day, title = "2025-03-08", "posts: an object was deleted"
    harness.drop(day, posts(40))
    _is_published(harness, date.fromisoformat(day))
    key = f"raw/posts/{day}.json"
    harness.stack.s3().delete_object(Bucket=harness.stack.known["bucket"], Key=key)
    _alerted(harness, title, now())

    harness.drop(day, posts(40))
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, "posts/object-deleted")


def test_a_mart_without_a_model(harness: Harness) -> None:
    title = "the table marts.dim_extra belongs to no model"
    with psycopg.connect(Stack(harness.stack.folder).dsn("transformer")) as connection:
        connection.execute("create table marts.dim_extra (n int)")
    harness.drop("2025-03-09", posts(40))
    _is_published(harness, date(2025, 3, 9))
    _alerted(harness, title, now())

    with psycopg.connect(Stack(harness.stack.folder).dsn("transformer")) as connection:
        connection.execute("drop table marts.dim_extra")
    harness.drop("2025-03-09", posts(41))
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, "marts.dim_extra/mart-unowned")


def test_an_unusual_volume(harness: Harness) -> None:
    before, day = (today() - timedelta(days=back) for back in (3, 2))
    harness.configure(late_days=7)
    harness.drop(before.isoformat(), posts(40))
    _is_published(harness, before)
    title = f"posts has an unusual number of rows ({day})"
    harness.drop(day.isoformat(), posts(5))
    _is_published(harness, day)
    _alerted(harness, title, now())

    harness.drop(day.isoformat(), posts(40))
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, f"posts/volume-unusual/{day}")
    harness.configure()


def _is_published(harness: Harness, day: date) -> None:
    published = "select from ops.loads where day = %s and is_current and published_at is not null"
    wait_for(lambda: harness.stack.query(published, day), bool, _RUN)


@contextmanager
def _dbt_held_up(harness: Harness) -> Iterator[None]:
    """Let dbt wait for a table that somebody else has locked."""
    with psycopg.connect(Stack(harness.stack.folder).dsn("transformer")) as holder:
        holder.execute("lock table build.pinned_loads in access exclusive mode")
        yield
        holder.rollback()


def test_loaded_and_not_published(harness: Harness) -> None:
    """Somebody holds up dbt: nothing fails, and nothing is published."""
    day, title = "2025-03-03", "loads are loaded but not published"
    harness.configure(unpublished_minutes=0.5)
    with _dbt_held_up(harness):
        harness.drop(day, posts(40))
        _alerted(harness, title, _is_loaded(harness, day) + timedelta(seconds=30), grace=30)
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, "loads/load-unpublished")
    harness.configure()


def test_marts_that_are_stale(harness: Harness) -> None:
    """No data arrives for a minute. Then a day arrives."""
    title = "marts are stale"
    [(published_at,)] = harness.stack.query("select max(published_at) from ops.loads")
    harness.configure(marts_stale_hours=1 / 60)
    could_be_seen = max(now(), published_at + timedelta(minutes=1))
    _alerted(harness, title, could_be_seen, grace=60)

    harness.drop("2025-03-04", posts(40))
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.configure()  # within the minute
    harness.assert_delivered_once(title, "marts/marts-stale")


@contextmanager
def _stopped(harness: Harness, *names: str) -> Iterator[None]:
    """Suspend components of Airflow and their child processes."""
    known = Stack(harness.stack.folder).processes()
    heads = [process for name in names if (process := known[name].process())]
    assert len(heads) == len(names)
    family = [one for head in heads for one in (head, *head.children(recursive=True))]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            if process.is_running() and process.status() == psutil.STATUS_STOPPED:
                process.resume()


def test_a_triggerer_and_a_dag_processor_without_heartbeat(harness: Harness) -> None:
    parts = ("triggerer", "dag-processor")
    with _stopped(harness, *parts):
        since = now() + timedelta(seconds=60)  # the permitted time without a heartbeat
        for part in parts:
            _alerted(harness, f"Airflow's {part} sends no heartbeat", since, grace=60)
    assert (
        harness.stack.command("up").returncode == 0
    )  # a part that found itself late may have ended
    for part in parts:
        harness.wait_for_alert(f"Airflow's {part} sends no heartbeat", "recovered", 60 + _SOON)
        harness.assert_delivered_once(
            f"Airflow's {part} sends no heartbeat", f"{part}/no-heartbeat"
        )


@contextmanager
def _a_row_missing(harness: Harness, day: str) -> Iterator[None]:
    """Add a day, and delete one of its rows before dbt reads them, until the block ends."""
    with psycopg.connect(harness.stack.known["warehouse_loader_dsn"], autocommit=True) as loader:
        with _dbt_held_up(harness):
            harness.drop(day, posts(40))
            _is_loaded(harness, day)
            [kept] = loader.execute(
                "select load_id, position, user_id, id, title, body from raw.posts"
                " where id = 5 and day = %s",
                [day],
            ).fetchall()
            loader.execute(
                "delete from raw.posts_rows where (load_id, position) = (%s, %s)", kept[:2]
            )
        yield
        loader.execute("insert into raw.posts_rows values (%s, %s, %s, %s, %s, %s)", kept)


def test_a_dbt_test_that_fails_in_one_triggered_run_after_the_other(harness: Harness) -> None:
    """New data starts the first run and the watch starts the next ones. They are one cause."""
    day, title, since = "2025-03-05", "transform_posts: a dbt test failed", now()
    with _a_row_missing(harness, day):
        harness.wait_for_alert(title, "opened", _RUN)
        assert f"day={day}" in harness.messages(title)[0].whole
        wait_for(lambda: _failed(harness, since), lambda runs: len(runs) > 1, _RUN + _SOON)
    assert {run["run_type"] for run in _failed(harness, since)} == {"asset_triggered"}
    harness.wait_for_alert(title, "recovered", _RUN + _SOON)
    harness.assert_delivered_once(title, "transform_posts/run-failed")


def _failed(harness: Harness, since: datetime) -> list[dict[str, Any]]:
    runs = harness.stack.airflow.runs_since("transform_posts", since)
    return [run for run in runs if run["state"] == "failed"]
