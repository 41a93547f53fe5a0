"""The main job on the real stack: a real scheduler, from the API to the marts, and recovery."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import requests

from local.sinks import mails, slack_messages
from scripts.landing.store import Store
from tests.stack import LocalStack, now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_DAY = "2026-01-31"


@pytest.fixture(autouse=True)
def _api_behaves_again(stack: LocalStack) -> Any:
    yield
    stack.switch()  # the switches themselves never fail


@pytest.fixture
def landed(stack: LocalStack) -> None:
    """The day of these tests, landed and published, independent of earlier tests."""
    if not _is_landed(stack, _DAY):
        started = now()
        assert stack.run_by_hand("ingest_posts", {"day": _DAY})[1] == "success"
        assert stack.transforms_settled(started)[-1]["state"] == "success"


def _checksum(rows: list[tuple[Any, ...]]) -> str:
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()


def _is_landed(stack: LocalStack, day: str) -> bool:
    return Store(stack.s3(), stack.known["bucket"]).head(f"raw/posts/{day}.json") is not None


def test_the_first_run_shows_its_result(stack: LocalStack) -> None:
    assert "the marts are fresh" in stack.first_output
    assert "137 received = 137 loaded + 0 rejected" in stack.first_output
    [dbt] = [line for line in stack.first_output.splitlines() if line.startswith(" dbt ")]
    assert "tests passed" in dbt


def test_the_marts_hold_what_the_api_answered(stack: LocalStack) -> None:
    answered = [(post["id"], post["title"], post["body"]) for post in stack.api("/posts")]
    published = stack.marts("select post_id, title, body from marts.fct_posts")

    assert len(published) == 137
    assert _checksum(published) == _checksum(answered)


def test_a_second_run_of_the_same_day_finds_nothing_new(stack: LocalStack) -> None:
    before = stack.query("select count(*), max(load_id) from ops.loads")
    again = stack.run_readme("make run")

    assert again.returncode == 0, again.stdout
    assert "nothing new" in again.stdout
    assert stack.query("select count(*), max(load_id) from ops.loads") == before
    assert stack.query("select count(*) from raw.posts") == [(137,)]


def test_another_day_flows_through_by_itself(stack: LocalStack) -> None:
    started = now()
    done = stack.run_readme("make run DAY=2026-01-31")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    runs = stack.transforms_settled(started)

    assert runs[-1]["state"] == "success"
    assert {run["run_type"] for run in runs} == {"asset_triggered"}
    assert stack.query("select count(*) from raw.posts where day = %s", _DAY) == [(137,)]
    assert stack.query(
        "select bool_and(published_at is not null) from ops.loads where day = %s and is_current",
        _DAY,
    ) == [(True,)]
    assert stack.marts("select count(*), count(distinct post_id) from marts.fct_posts") == [
        (137, 137)
    ]


@pytest.mark.thorough
def test_clearing_an_ingest_works(stack: LocalStack) -> None:
    _clear(stack, "ingest_posts", *stack.run_by_hand("ingest_posts", {"day": _DAY}))


@pytest.mark.thorough
def test_clearing_a_transform_works(stack: LocalStack) -> None:
    started = now()
    done = stack.run_readme("airflow dags trigger transform_posts")
    assert done.returncode == 0, done.stderr
    _clear(stack, "transform_posts", *stack.newest_by_hand("transform_posts", started))


def _clear(stack: LocalStack, dag_id: str, run_id: str, state: str) -> None:
    assert state == "success"
    stack.airflow.clear(dag_id, run_id)
    assert stack.finished(dag_id, run_id) == "success"
    assert stack.marts("select count(*) from marts.fct_posts") == [(137,)]


@pytest.mark.thorough
@pytest.mark.usefixtures("landed")
def test_transform_by_hand_reloads_a_named_day(stack: LocalStack) -> None:
    current = (
        "select load_id from ops.loads"
        " where source = 'posts' and day = date '2026-01-31' and is_current"
    )
    [(before,)] = stack.query(current)

    started = now()
    done = stack.run_readme(
        """airflow dags trigger transform_posts --conf '{"days": ["2026-01-31"]}'"""
    )
    assert done.returncode == 0, done.stderr
    run_id, state = stack.newest_by_hand("transform_posts", started)

    assert state == "success"
    assert stack.query(current) > [(before,)]
    assert set(stack.task_states("transform_posts", run_id).values()) == {"success"}
    assert stack.query("select count(*) from raw.posts where day = %s", _DAY) == [(137,)]


@contextmanager
def _a_row_missing(stack: LocalStack, day: str) -> Iterator[None]:
    [kept, *_] = stack.query(
        "select load_id, position, user_id, id, title, body from raw.posts"
        " where id = 5 and day = %s",
        day,
    )
    with psycopg.connect(stack.known["warehouse_loader_dsn"], autocommit=True) as connection:
        connection.execute(
            "delete from raw.posts_rows where (load_id, position) = (%s, %s)", kept[:2]
        )
        try:
            yield
        finally:
            values = "insert into raw.posts_rows values (%s, %s, %s, %s, %s, %s)"
            connection.execute(values, kept)


def test_a_failing_dbt_test_publishes_nothing_is_reported_and_heals(stack: LocalStack) -> None:
    """One row that the ledger counts is missing: the dbt test of the counts must stop the build."""
    sent = len(slack_messages(stack.folder / "inbox")), len(mails(stack.folder / "inbox"))
    marts_before = stack.marts("select post_id, title, last_seen_day from marts.fct_posts")
    with _a_row_missing(stack, _DAY):
        run_id, state = stack.run_by_hand("transform_posts", {})

        assert state == "failed"
        marts = stack.marts("select post_id, title, last_seen_day from marts.fct_posts")
        assert marts == marts_before
        _wait_for_alerts(stack, *(count + 1 for count in sent))
        blocks = str(slack_messages(stack.folder / "inbox")[-1]["body"]["blocks"])
        assert "posts_match_the_ledger found 1" in blocks
        assert f"day={_DAY}" in blocks

    stack.airflow.clear("transform_posts", run_id)
    assert stack.finished("transform_posts", run_id) == "success"
    _wait_for_alerts(stack, *(count + 2 for count in sent))
    assert "recovered" in slack_messages(stack.folder / "inbox")[-1]["body"]["text"]
    assert stack.query(
        "select count(*) from ops.loads where is_current and published_at is null"
    ) == [(0,)]


@pytest.mark.thorough
def test_a_dead_api_is_tried_again_reported_once_and_lands_nothing(stack: LocalStack) -> None:
    inbox = stack.folder / "inbox"
    sent = len(slack_messages(inbox)), len(mails(inbox))
    day = "2026-02-05"
    stack.switch(drop=True)

    run_id, state = stack.run_by_hand("ingest_posts", {"day": day})

    assert state == "failed"
    assert stack.airflow.tasks("ingest_posts", run_id)[0]["try_number"] == 2
    assert not _is_landed(stack, day)
    _wait_for_alerts(stack, *(count + 1 for count in sent))
    message = slack_messages(inbox)[-1]["body"]
    assert "UnavailableError" in str(message["blocks"])
    link = message["blocks"][-1]["text"]["text"].removeprefix("<").split("|")[0]
    assert requests.get(link, timeout=30).status_code == 200
    assert day in mails(inbox)[-1]["text"]

    stack.switch()
    started = now()
    assert stack.run_by_hand("ingest_posts", {"day": day})[1] == "success"
    assert stack.transforms_settled(started)[-1]["state"] == "success"
    assert stack.query("select count(*) from raw.posts where day = date '2026-02-05'") == [(137,)]
    _wait_for_alerts(stack, *(count + 2 for count in sent))
    assert "recovered" in slack_messages(inbox)[-1]["body"]["text"]


@pytest.mark.thorough
@pytest.mark.usefixtures("landed")
def test_a_failed_load_is_finished_by_the_next_event(stack: LocalStack) -> None:
    """The next run publishes what a run left unpublished, independent of its trigger."""
    [(load_id,)] = stack.query(
        "update ops.loads set published_at = null"
        " where source = 'posts' and day = date '2026-01-31' and is_current returning load_id"
    )
    started = now()
    assert stack.run_by_hand("ingest_posts", {"day": "2026-02-05"})[1] == "success"
    runs = stack.transforms_settled(started)

    assert runs[-1]["state"] == "success"
    assert stack.query(
        "select count(*) from ops.loads where load_id = %s and published_at is not null", load_id
    ) == [(1,)]


@pytest.mark.thorough
def test_an_object_that_another_program_drops_is_published(stack: LocalStack) -> None:
    record = {"userId": 1, "id": 1, "title": "from outside", "body": "b"}
    stack.s3().put_object(
        Bucket=stack.known["bucket"], Key="raw/posts/2026-02-01.json", Body=json.dumps([record])
    )
    published = (
        "select title from marts.fct_post_changes where day = date '2026-02-01' and post_id = 1"
    )
    assert wait_for(lambda: stack.marts(published), bool, 240) == [("from outside",)]


@pytest.mark.thorough
def test_days_that_landed_while_transform_was_paused_are_loaded_by_one_run(
    stack: LocalStack,
) -> None:
    days = [f"2026-03-0{number}" for number in range(1, 6)]
    stack.airflow.pause("transform_posts", is_paused=True)
    for day in days:
        assert stack.run_by_hand("ingest_posts", {"day": day})[1] == "success"

    stack.airflow.pause("transform_posts", is_paused=False)
    loads = "select run_id, published_at from ops.loads where is_current and day = any(%s::date[])"
    rows = wait_for(
        lambda: stack.query(loads, days),
        lambda rows: len(rows) == len(days) and all(row[1] for row in rows),
        240,  # the watch interval of a minute, and one run
    )

    [run_id] = {run_id for run_id, _ in rows}
    assert stack.finished("transform_posts", run_id) == "success"


def test_a_dead_process_is_named_with_the_end_of_its_log(stack: LocalStack) -> None:
    from local.stack import Stack

    sinks = Stack(stack.folder).processes()["sinks"].process()
    assert sinks
    sinks.kill()
    wait_for(lambda: stack.facts["processes"]["sinks"], lambda state: state == "dead", 10)

    shown = stack.command("status")
    assert shown.returncode == 1
    assert "sinks died" in shown.stdout

    assert stack.command("up").returncode == 0
    assert set(stack.facts["processes"].values()) == {"running"}


def _wait_for_alerts(stack: LocalStack, slack: int, mail: int) -> None:
    """Wait for exactly this many messages. More of them also fail the test."""
    inbox = stack.folder / "inbox"
    seen = wait_for(
        lambda: (len(slack_messages(inbox)), len(mails(inbox))),
        lambda counts: counts[0] >= slack and counts[1] >= mail,
        60,  # a run's callback waits for its turn in the dag-processor
    )
    assert seen == (slack, mail)
