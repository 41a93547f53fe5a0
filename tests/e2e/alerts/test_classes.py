"""What only state shows is told by the scheduled watch, and its end too: each class, really caused.

The thresholds are the settings' own, made short; nothing is written into the warehouse but by the
pipeline itself, except the row that is taken away to make a dbt test fail.
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
from tests.e2e.alerts.desk import LOOK, WATCH, Desk, posts, say
from tests.stack import now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.thorough, pytest.mark.timeout(600)]

_SOON = WATCH + LOOK  # the goal of what only state shows
_RUN = 120  # seconds that a transform may take first


def _told(desk: Desk, title: str, since: datetime, grace: float = 0) -> None:
    """Wait for an alert that state allows after `grace` seconds, and hold it against the goal."""
    told = desk.told(title, "opened", grace + _SOON)
    say(f"{title}: told {(told['slack'] - since).total_seconds():.1f} s after it could be seen")


def _is_loaded(desk: Desk, day: str, state: str = "loaded") -> datetime:
    """Wait until a day's object was loaded, or parked; return when that was."""
    latest = "select loaded_at from ops.loads where day = %s and state = %s order by load_id desc"
    rows = wait_for(lambda: desk.stack.query(latest, day, state), bool, _RUN)
    when: datetime = rows[0][0]
    return when


def test_an_object_that_is_parked(desk: Desk) -> None:
    day, title = "2025-03-01", "posts: an object was parked (2025-03-01)"
    desk.drop(day, {"not": "a list"})
    _told(desk, title, _is_loaded(desk, day, "parked"))

    desk.drop(day, posts(40))
    desk.told(title, "recovered", _RUN + _SOON)
    desk.assert_told_once(title, f"posts/object-parked/{day}")


def test_rejects_above_the_warning_share(desk: Desk) -> None:
    day, title = "2025-03-02", "posts has many rejected records (2025-03-02)"
    desk.drop(day, posts(40, bad=2))
    _told(desk, title, _is_loaded(desk, day))

    desk.drop(day, posts(40))
    desk.told(title, "recovered", _RUN + _SOON)
    desk.assert_told_once(title, f"posts/many-rejects/{day}")


def test_an_unusual_volume(desk: Desk) -> None:
    before, day = (today() - timedelta(days=back) for back in (3, 2))
    desk.configure(late_days=7)
    desk.drop(before.isoformat(), posts(40))
    _is_published(desk, before)
    title = f"posts has an unusual number of rows ({day})"
    desk.drop(day.isoformat(), posts(5))
    _is_published(desk, day)
    _told(desk, title, now())

    desk.drop(day.isoformat(), posts(40))
    desk.told(title, "recovered", _RUN + _SOON)
    desk.assert_told_once(title, f"posts/volume-unusual/{day}")
    desk.configure()


def _is_published(desk: Desk, day: date) -> None:
    published = "select from ops.loads where day = %s and is_current and published_at is not null"
    wait_for(lambda: desk.stack.query(published, day), bool, _RUN)


@contextmanager
def _dbt_held_up(desk: Desk) -> Iterator[None]:
    """Let dbt wait for a table that somebody else has locked."""
    with psycopg.connect(Stack(desk.stack.folder).dsn("transformer")) as holder:
        holder.execute("lock table build.pinned_loads in access exclusive mode")
        yield
        holder.rollback()


def test_loaded_and_not_published(desk: Desk) -> None:
    """Somebody holds up dbt: nothing fails, and nothing is published."""
    day, title = "2025-03-03", "loads are loaded but not published"
    desk.configure(unpublished_minutes=0.5)
    with _dbt_held_up(desk):
        desk.drop(day, posts(40))
        _told(desk, title, _is_loaded(desk, day) + timedelta(seconds=30), grace=30)
    desk.told(title, "recovered", _RUN + _SOON)
    desk.assert_told_once(title, "loads/load-unpublished")
    desk.configure()


def test_marts_that_are_stale(desk: Desk) -> None:
    """Nothing arrives for a minute; then a day does."""
    title = "marts are stale"
    [(published_at,)] = desk.stack.query("select max(published_at) from ops.loads")
    desk.configure(marts_stale_hours=1 / 60)
    could_be_seen = max(now(), published_at + timedelta(minutes=1))
    _told(desk, title, could_be_seen, grace=60)

    desk.drop("2025-03-04", posts(40))
    desk.told(title, "recovered", _RUN + _SOON)
    desk.configure()  # within the minute
    desk.assert_told_once(title, "marts/marts-stale")


@contextmanager
def _stopped(desk: Desk, *names: str) -> Iterator[None]:
    """Let parts of Airflow stand still, with their children."""
    known = Stack(desk.stack.folder).processes()
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


def test_a_triggerer_and_a_dag_processor_without_heartbeat(desk: Desk) -> None:
    parts = ("triggerer", "dag-processor")
    with _stopped(desk, *parts):
        since = now() + timedelta(seconds=60)  # so long a part may be silent
        for part in parts:
            _told(desk, f"Airflow's {part} sends no heartbeat", since, grace=60)
    assert desk.stack.command("up").returncode == 0  # a part that found itself late may have ended
    for part in parts:
        desk.told(f"Airflow's {part} sends no heartbeat", "recovered", 60 + _SOON)
        desk.assert_told_once(f"Airflow's {part} sends no heartbeat", f"{part}/no-heartbeat")


@contextmanager
def _a_row_missing(desk: Desk, day: str) -> Iterator[None]:
    """Bring a day and take one of its rows away before dbt reads them, for the block."""
    with psycopg.connect(desk.stack.known["warehouse_loader_dsn"], autocommit=True) as loader:
        with _dbt_held_up(desk):
            desk.drop(day, posts(40))
            _is_loaded(desk, day)
            [kept] = loader.execute(
                "select load_id, position, id, payload::text from raw.posts"
                " where id = 5 and day = %s",
                [day],
            ).fetchall()
            loader.execute(
                "delete from raw.posts_rows where (load_id, position) = (%s, %s)", kept[:2]
            )
        yield
        loader.execute("insert into raw.posts_rows values (%s, %s, %s, %s)", kept)


def test_a_dbt_test_that_fails_in_one_triggered_run_after_the_other(desk: Desk) -> None:
    """An arrival starts the first run, the watch those that follow: they are one cause."""
    day, title, since = "2025-03-05", "transform_posts: a dbt test failed", now()
    with _a_row_missing(desk, day):
        desk.told(title, "opened", _RUN)
        assert f"day={day}" in desk.messages(title)[0].whole
        wait_for(lambda: _failed(desk, since), lambda runs: len(runs) > 1, _RUN + _SOON)
    assert {run["run_type"] for run in _failed(desk, since)} == {"asset_triggered"}
    desk.told(title, "recovered", _RUN + _SOON)
    desk.assert_told_once(title, "transform_posts/run-failed")


def _failed(desk: Desk, since: datetime) -> list[dict[str, Any]]:
    runs = desk.stack.airflow.runs_since("transform_posts", since)
    return [run for run in runs if run["state"] == "failed"]
