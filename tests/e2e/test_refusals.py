"""What no run may take for an order or for data: it fails with a reason, and the marts stay."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from local.sinks import slack_messages
from local.stack import Stack
from tests.stack import LocalStack, now, wait_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("one_dbt_task"),
]

_LATEST = (
    "select (select max(day)::text from marts.fct_daily_loads where source = 'posts'), count(*)"
    " from marts.fct_posts where not is_deleted"
)
_FUTURE = "raw/posts/2062-01-31.json"


@pytest.fixture(autouse=True)
def _api_behaves_again(stack: LocalStack) -> Iterator[None]:
    yield
    stack.switch()


@pytest.fixture
def future_object(stack: LocalStack) -> Iterator[None]:
    """An object of another producer, for a day that has not come."""
    bucket = stack.known["bucket"]
    record = {"userId": 1, "id": 1, "title": "from the future", "body": "b"}
    stack.s3().put_object(Bucket=bucket, Key=_FUTURE, Body=json.dumps([record]))
    yield
    stack.s3().delete_object(Bucket=bucket, Key=_FUTURE)


def _is_reported(stack: LocalStack, text: str) -> bool:
    """Wait for an alert that holds a text."""
    return bool(
        wait_for(
            lambda: [m for m in slack_messages(stack.folder / "inbox") if text in json.dumps(m)],
            bool,
            90,
        )
    )


@pytest.mark.parametrize(
    ("dag_id", "conf", "says"),
    [
        ("ingest_posts", {"day": "2062-01-31"}, "expected a day from 1970-01-01 to tomorrow"),
        ("ingest_posts", {"day": "0001-01-01"}, "expected a day from 1970-01-01 to tomorrow"),
        ("ingest_posts", {"days": ["2026-01-31"]}, "no parameter days. Its parameters: day"),
        ("transform_posts", {"date": "2026-01-31"}, "no parameter date. Its parameters: day, days"),
        ("transform_posts", {"days": ["9999-12-31"]}, "expected a day from 1970-01-01 to tomorrow"),
    ],
)
def test_an_order_that_cannot_be_meant_fails_and_changes_nothing(
    stack: LocalStack, dag_id: str, conf: dict[str, Any], says: str
) -> None:
    before = stack.marts(_LATEST)
    assert stack.run_by_hand(dag_id, conf)[1] == "failed"
    assert _is_reported(stack, says)
    assert stack.marts(_LATEST) == before


@pytest.mark.parametrize("moment", ["1969-12-31T00:00:00+00:00", "0002-06-01T00:00:00+00:00"])
def test_a_run_for_a_moment_before_any_day_is_never_green_without_a_task(
    stack: LocalStack, moment: str
) -> None:
    since = now()
    done = stack.command("airflow", "dags", "trigger", "ingest_posts", "--logical-date", moment)
    assert done.returncode == 0, done.stderr[-2000:]
    run_id, state = stack.newest_by_hand("ingest_posts", since)
    assert state == "failed"
    assert stack.task_states("ingest_posts", run_id) == {"land": "failed"}


@pytest.mark.usefixtures("future_object")
def test_a_day_that_has_not_come_does_not_hide_the_latest_one(stack: LocalStack) -> None:
    before = stack.marts(_LATEST)
    today = now().date().isoformat()
    stack.switch(edited={3: {"title": "edited after the future"}})
    since = now()
    assert stack.run_by_hand("ingest_posts", {"day": today})[1] == "success"
    stack.transforms_settled(since)
    stack.switch()
    [(latest, count)] = stack.marts(_LATEST)
    assert (latest, count) == (today, before[0][1])
    titles = "select title from marts.fct_posts where post_id = 3"
    assert stack.marts(titles) == [("edited after the future",)]
    assert stack.query("select count(*) from ops.loads where day > current_date + 1") == [(0,)]
    known = "select key from ops.unknown_objects"
    assert wait_for(lambda: stack.query(known), lambda rows: (_FUTURE,) in rows, 90)


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ('<{api}/posts?_page=2>; title="a=b"; rel="next"', "the pages form a loop"),
        ('<{api}/posts?_page=2>; rel="next', "cannot read the header Link"),
    ],
)
def test_a_link_that_is_hard_to_read_is_no_last_page(
    stack: LocalStack, link: str, says: str
) -> None:
    """The answer names a next page, so a run that takes one page for all would delete posts."""
    before = stack.marts(_LATEST)
    stack.switch(posts=40, headers={"Link": link.format(api=stack.known["api_url"])})
    today = now().date().isoformat()
    assert stack.run_by_hand("ingest_posts", {"day": today})[1] == "failed"
    stack.switch()
    assert _is_reported(stack, says)
    assert "ingest_posts failed" in stack.script("health").stdout
    assert stack.marts(_LATEST) == before
    assert stack.run_by_hand("ingest_posts", {"day": today})[1] == "success"
    # The next failure of this day is a message of its own only when this one is over.
    open_now = "select kind from ops.incidents where closed_at is null and subject = 'ingest_posts'"
    assert wait_for(lambda: not stack.query(f"{open_now} and day = '{today}'"), bool, 90)


def test_texts_stay_what_they_are_under_another_encoding(stack: LocalStack) -> None:
    title = "Zoë \u2028 € 😀"
    today = now().date().isoformat()
    stack.restart_airflow(PGCLIENTENCODING="LATIN1")
    try:
        stack.switch(edited={4: {"title": title}})
        since = now()
        assert stack.run_by_hand("ingest_posts", {"day": today})[1] == "success"
        assert {run["state"] for run in stack.transforms_settled(since)} == {"success"}
        titles = "select title from marts.fct_posts where post_id = 4"
        assert stack.marts(titles) == [(title,)]
    finally:
        stack.switch()
        stack.restart_airflow(PGCLIENTENCODING="UTF8")


def test_a_rejected_post_is_not_published_as_deleted(stack: LocalStack) -> None:
    today, yesterday = (str(now().date() - timedelta(days=n)) for n in (0, 1))
    since = now()
    assert stack.run_by_hand("ingest_posts", {"day": yesterday})[1] == "success"
    stack.transforms_settled(since)
    state = "select is_deleted, title from marts.fct_posts where post_id = 5"
    changes = "select change from marts.fct_post_changes where post_id = 5 order by day"
    before = stack.marts(state), stack.marts(changes)
    for title, rejected in ((5, 1), (None, 0)):
        stack.switch(**({"edited": {5: {"title": title}}} if title else {}))
        since = now()
        assert stack.run_by_hand("ingest_posts", {"day": today})[1] == "success"
        stack.transforms_settled(since)
        current = "select rejected from ops.loads where source = 'posts' and is_current and day = "
        assert stack.query(f"{current}'{today}'") == [(rejected,)]
        assert (stack.marts(state), stack.marts(changes)) == before


def test_a_deleted_object_is_reported_until_its_day_is_withdrawn(stack: LocalStack) -> None:
    """The marts keep the day, and the alert and the health page say so."""
    yesterday = str(now().date() - timedelta(days=1))
    since = now()
    assert stack.run_by_hand("ingest_posts", {"day": yesterday})[1] == "success"
    stack.transforms_settled(since)
    latest = "select count(*) from marts.fct_daily_loads where source = 'posts' and day = "
    key = f"raw/posts/{yesterday}.json"
    stack.s3().delete_object(Bucket=stack.known["bucket"], Key=key)

    assert _is_reported(stack, "posts: an object was deleted")
    health = stack.script("health")
    assert (health.returncode, "posts: an object was deleted" in health.stdout) == (1, True)
    assert stack.marts(f"{latest}'{yesterday}'") == [(1,)]

    done = stack.script("withdraw", "posts", "--day", yesterday)
    assert done.returncode == 0, done.stderr
    assert stack.marts(f"{latest}'{yesterday}'") == [(0,)]
    open_now = "select kind from ops.incidents where closed_at is null and kind = 'object-deleted'"
    assert wait_for(lambda: not stack.query(open_now), bool, 90)


def test_a_mart_without_a_model_is_reported_and_dropped_on_demand(stack: LocalStack) -> None:
    with psycopg.connect(Stack(stack.folder).dsn("transformer")) as connection:
        connection.execute("create table marts.dim_extra as select title from marts.fct_posts")
    assert stack.run_by_hand("transform_posts", {})[1] == "success"
    assert _is_reported(stack, "the table marts.dim_extra belongs to no model")
    assert "marts.dim_extra" in stack.script("health").stdout
    done = stack.script("dbt", "--drop-unowned")
    assert done.returncode == 0, done.stderr
    open_now = "select kind from ops.incidents where closed_at is null and kind = 'mart-unowned'"
    assert wait_for(lambda: not stack.query(open_now), bool, 90)


def test_settings_that_cannot_be_read_stop_every_run_and_are_reported(stack: LocalStack) -> None:
    before = stack.settings["AIRFLOW_VAR_PIPELINE"]
    stack.restart_airflow(AIRFLOW_VAR_PIPELINE='{"max_pages": 3,}')
    try:
        assert stack.run_by_hand("ingest_posts", {"day": "2026-02-20"})[1] == "failed"
        assert _is_reported(stack, "Variable pipeline is not a JSON object")
    finally:
        stack.restart_airflow(AIRFLOW_VAR_PIPELINE=before)
    assert stack.run_by_hand("ingest_posts", {"day": "2026-02-20"})[1] == "success"
