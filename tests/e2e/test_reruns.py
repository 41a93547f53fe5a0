"""Reruns, backfills and waiting on the real stack, with Airflow's command line and REST API."""

import json
import time
from collections.abc import Iterator

import psycopg
import pytest

from local.sinks import slack_messages
from scripts.warehouse.dbt_lock import dbt_lock
from tests.stack import LocalStack, now, wait_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("one_dbt_task"),
]

_FIRST, _LAST = "2026-01-01", "2026-01-30"
_RECORD = {"userId": 1, "id": 1, "title": "anew", "body": "b"}


@pytest.fixture(autouse=True)
def _api_behaves_again(stack: LocalStack) -> Iterator[None]:
    yield
    stack.switch()


def _versions(stack: LocalStack, day: str) -> int:
    listed = stack.s3().list_object_versions(
        Bucket=stack.known["bucket"], Prefix=f"raw/posts/{day}.json"
    )
    return len(listed["Versions"])


def _put(stack: LocalStack, day: str) -> None:
    stack.s3().put_object(
        Bucket=stack.known["bucket"],
        Key=f"raw/posts/{day}.json",
        Body=json.dumps([_RECORD]),
    )


def _waits(stack: LocalStack, day: str) -> str:
    """Trigger a transform for a day that has not landed. Return the run once it is deferred."""
    run_id = stack.airflow.trigger("transform_posts", {"days": [day]})
    wait_for(
        lambda: stack.task_states("transform_posts", run_id)["load"],
        lambda state: state == "deferred",
        60,
    )
    return run_id


def test_a_backfill_of_thirty_days_is_transformed_in_a_few_runs(stack: LocalStack) -> None:
    started = now()
    done = stack.run_readme(
        "airflow backfill create --dag-id ingest_earthquakes"
        " --from-date 2025-11-02 --to-date 2025-12-01",
        replaced={
            "ingest_earthquakes": "ingest_posts",
            "2025-11-02": _FIRST,
            "2025-12-01": _LAST,
        },
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    backfilled = """
        select count(*), count(published_at), sum(loaded), count(distinct run_id) from ops.loads
        where is_current and day between %s and %s
    """
    wait_for(
        lambda: stack.query(backfilled, _FIRST, _LAST)[0],
        lambda counts: counts[:3] == (30, 30, 30 * 137),
        420,
    )
    runs = stack.transforms_settled(started, 300)
    assert {run["state"] for run in runs} == {"success"}
    assert "dbt.build_and_publish" in stack.task_states("transform_posts", runs[0]["dag_run_id"])
    assert stack.query(backfilled, _FIRST, _LAST)[0][-1] <= 8


def test_a_rerun_from_the_command_line_changes_nothing_if_the_answer_is_the_same(
    stack: LocalStack,
) -> None:
    ledger = "select load_id, published_at from ops.loads where day = date '2026-01-30'"
    before = stack.query(ledger)
    started = now()

    done = stack.run_readme(
        """airflow dags trigger ingest_posts --conf '{"day": "2026-01-31"}'""",
        replaced={"2026-01-31": _LAST},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert stack.newest_by_hand("ingest_posts", started)[1] == "success"
    for run in stack.transforms_settled(started, 300):
        states = stack.task_states("transform_posts", run["dag_run_id"])
        assert set(states.values()) == {"skipped"}
    assert (stack.query(ledger), _versions(stack, _LAST)) == (before, 1)


def test_a_backfill_again_with_a_new_answer_replaces_its_day(stack: LocalStack) -> None:
    """A manual dbt run holds the lock at the same time, so the transform waits for it."""
    stack.switch(body=json.dumps([_RECORD]))
    wait_for(lambda: _backfills_going(stack), lambda count: count == 0, 120)
    started = now()
    with dbt_lock(stack.transformer_dsn, is_alone=True):
        stack.airflow.backfill("ingest_posts", _LAST, _LAST, again="completed")
        wait_for(lambda: _lock_waiters(stack), lambda count: count == 1, 180)

    assert stack.transforms_settled(started, 300)[-1]["state"] == "success"
    assert _versions(stack, _LAST) == 2
    assert stack.query("select title from raw.posts where day = %s", _LAST) == [("anew",)]
    changed = "select title from marts.fct_post_changes where day = '2026-01-30' and post_id = 1"
    assert stack.marts(changed) == [("anew",)]


def test_an_object_that_no_notification_tells_of_is_published(stack: LocalStack) -> None:
    """Without a working queue the watch finds the object. Here it runs twice a minute."""
    s3, bucket, day = stack.s3(), stack.known["bucket"], "2026-02-02"
    queues = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        _put(stack, day)
        published = "select published_at is not null from ops.loads where day = date '2026-02-02'"
        wait_for(lambda: stack.query(published), lambda rows: rows == [(True,)], 180)
    finally:
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": queues}
        )


def _backfills_going(stack: LocalStack) -> int:
    """Count the open backfills. Airflow closes a backfill some time after its last run."""
    known = stack.airflow.get("/backfills", dag_id="ingest_posts")["backfills"]
    return sum(backfill["completed_at"] is None for backfill in known)


def _lock_waiters(stack: LocalStack) -> int:
    with psycopg.connect(stack.known["warehouse_loader_dsn"]) as connection:
        row = connection.execute(
            "select count(*) from pg_locks"
            " where relation = 'ops.dbt_lock'::regclass and not granted"
        ).fetchone()
    return int(row[0]) if row else 0


def test_a_named_day_is_waited_for_without_a_worker(stack: LocalStack) -> None:
    day = "2026-04-01"
    run_id = _waits(stack, day)
    _put(stack, day)

    assert stack.finished("transform_posts", run_id) == "success"
    assert stack.query(
        "select run_id, published_at is not null from ops.loads where day = %s", day
    ) == [(run_id, True)]


def test_a_wait_without_result_is_reported_once_and_not_retried(stack: LocalStack) -> None:
    run_id = _waits(stack, "2026-04-02")
    began = time.monotonic()

    assert stack.finished("transform_posts", run_id) == "failed"

    assert time.monotonic() - began < 60
    tasks = stack.airflow.tasks("transform_posts", run_id)
    (waited,) = [task for task in tasks if task["task_id"] == "load"]
    assert waited["try_number"] == 1
    sent = wait_for(lambda: _messages(stack, run_id), bool, 30)
    titles = [json.loads(text)["text"] for text in sent]
    # A run that was in the queue may have ended the incident already.
    assert [title for title in titles if "recovered after" not in title] == titles[:1], titles
    assert "waited 0.4 minutes, but not every day of 2026-04-02 has landed" in sent[0]


def _messages(stack: LocalStack, run_id: str) -> list[str]:
    texts = [json.dumps(message["body"]) for message in slack_messages(stack.folder / "inbox")]
    return [text for text in texts if run_id in text]
