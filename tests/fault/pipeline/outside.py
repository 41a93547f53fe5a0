"""Faults of the systems that the pipeline depends on: Postgres, S3, the API, the events."""

import json
import subprocess
import sys
from functools import partial
from typing import Any

from local.bucket import QUEUE
from local.state import BUCKET
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from tests.fault.pipeline.alert_counts import looks_since
from tests.fault.pipeline.fault import ExpectedAlerts, fault
from tests.fault.pipeline.rig import Rig, resume
from tests.loading import environment
from tests.stack import now, wait_for

_DOWN = "`status` shows Postgres stopped. After `up`, tasks are retried, or one run fails"
_RETRIED = "the task is retried, no alert"
_TRIES = 7  # boto3 asks five times by itself: the task's first try fails, its second does not


@fault(
    "Postgres stopped immediately during a load",
    seen=_DOWN,
    is_first=True,
    alerts=ExpectedAlerts.MAYBE,
    is_warehouse_down=True,
)
def _(rig: Rig) -> None:
    rig.arm("load.in_copy", "SIGSTOP")
    rig.drop()
    load = rig.stopped("load.in_copy")
    rig.inside.postgres.stop("immediate")
    resume(load)


@fault(
    "Postgres stopped immediately during dbt",
    seen=_DOWN,
    alerts=ExpectedAlerts.MAYBE,
    is_warehouse_down=True,
)
def _(rig: Rig) -> None:
    with rig.dbt_held_at("build.pinned_loads"):
        rig.inside.postgres.stop("immediate")
        rig.mark()


@fault("S3 answers 503 to the upload", seen=_RETRIED)
def _(rig: Rig) -> None:
    rig.fail_s3("PUT", _TRIES)
    rig.ingest()
    rig.s3_struck()


@fault("S3 stores and its answer is lost", seen="nothing: the request is retried", is_first=True)
def _(rig: Rig) -> None:
    rig.fail_s3("PUT", 1, how="lost")
    rig.ingest()
    rig.s3_struck()


@fault("S3 answers 503 to the load", seen=_RETRIED)
def _(rig: Rig) -> None:
    rig.fail_s3("GET", _TRIES)
    rig.drop()
    rig.s3_struck()


def _fail_api(switches: dict[str, Any], rig: Rig) -> None:
    """Fail three requests: those of the task's first try and half of those of its second."""
    _, run_id = rig.ingest(**switches, times=3)
    wait_for(lambda: rig.stack.api("/_switches")["times"], lambda left: left == 0, 240)
    wait_for(
        lambda: rig.stack.airflow.tasks("ingest_posts", run_id)[0]["try_number"],
        lambda number: number > 1,
        240,
    )
    rig.mark()


_API: dict[str, dict[str, Any]] = {
    "answers 500": {"status": 500},
    "hangs up": {"drop": True},
    "breaks off in the middle": {"cut": 300},
}
for _name, _switches in _API.items():
    fault(f"the API {_name}", seen=_RETRIED)(partial(_fail_api, _switches))


@fault(
    "the API sends half a list as if it were whole",
    seen="a failed run and one immediate alert. Nothing lands. Clear the run when the API is fixed",
    alerts=ExpectedAlerts.ALWAYS,
)
def _(rig: Rig) -> None:
    day, run_id = rig.ingest(framing="close", cut=300)
    assert rig.stack.finished("ingest_posts", run_id) == "failed"
    assert Store(rig.stack.s3(), BUCKET).head(raw_key("posts", day)) is None
    rig.mark()
    rig.serve(day)
    rig.stack.airflow.clear("ingest_posts", run_id)


@fault("transform paused while five days arrive", seen="nothing: one run loads all five")
def _(rig: Rig) -> None:
    rig.stack.airflow.pause("transform_posts", is_paused=True)
    try:
        days = [rig.drop() for _ in range(5)]
        started = now()
        wait_for(lambda: looks_since(rig.stack, started), bool, 240)
        assert rig.stack.query("select from ops.loads where day = any(%s)", days) == []
        rig.mark()
    finally:
        rig.stack.airflow.pause("transform_posts", is_paused=False)


@fault(
    "notifications come twice, late and in the wrong order",
    seen="runs without work, skipped immediately",
)
def _(rig: Rig) -> None:
    days = [rig.drop() for _ in range(3)]
    sqs = rig.inside.ministack.session().client("sqs", endpoint_url=rig.inside.ministack.endpoint)
    url = rig.inside.ministack.queue_url(QUEUE)
    for day in [*reversed(days), *days, rig.book.new_day()]:  # the last day has no object
        entity = {"bucket": {"name": BUCKET}, "object": {"key": raw_key("posts", day)}}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record]}))
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    wait_for(
        lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"],
        lambda left: set(left.values()) == {"0"},
        240,
    )
    rig.mark()


@fault("an object's notification is lost", seen="nothing: `watch_pipeline` detects the object")
def _(rig: Rig) -> None:
    s3 = rig.stack.s3()
    configured = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})
    rig.drop()
    rig.mark()
    configured.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configured)


@fault("an object is rewritten while it is read", seen="nothing: the load starts again")
def _(rig: Rig) -> None:
    rig.arm("load.in_copy", "SIGSTOP")
    day = rig.drop()
    load = rig.stopped("load.in_copy")
    rig.drop(day)
    resume(load)


@fault(
    "two transforms and a manual load at the same time",
    seen="the runs queue, and one of them does the work",
)
def _(rig: Rig) -> None:
    rig.arm("load.in_copy", "SIGSTOP")
    days = [rig.drop() for _ in range(2)]
    load = rig.stopped("load.in_copy")
    for _ in range(2):
        rig.stack.airflow.trigger("transform_posts", {"days": [str(day) for day in days]})
    store = Store(rig.stack.s3(), BUCKET)
    manual = subprocess.run(
        [sys.executable, "-m", "scripts.load", "posts"],
        env=environment(store, rig.stack.known["warehouse_loader_dsn"]),
        check=False,
        capture_output=True,
        text=True,
    )
    assert manual.returncode == 0, manual.stderr
    assert "2024" in manual.stdout
    resume(load)
