"""The callbacks against a real webhook, a real mail server and a real warehouse."""

import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from callbacks import alert_recovery, alert_run_failure, alert_task_failure
from local.processes import free_port
from local.sinks import mails
from scripts.alerts.incident import Kind
from scripts.alerts.runbook import runbook_section
from scripts.errors import InvalidDataError
from tests.inbox import SECRET, Inbox

pytestmark = pytest.mark.integration

_SMALLEST = {"dag": SimpleNamespace(dag_id="transform_posts"), "run_id": "r1"}
_RUN = {
    "dag": SimpleNamespace(dag_id="ingest_posts"),
    "run_id": "r1",
    "dag_run": SimpleNamespace(logical_date=None, run_after=datetime(2026, 1, 2, tzinfo=UTC)),
    "params": {"day": None},
}
_TASK = {
    **_RUN,
    "task_instance": SimpleNamespace(task_id="land", try_number=1),
    "exception": InvalidDataError("the answer is HTML"),
}


def test_a_failed_task_and_its_run_are_one_message_a_channel(inbox: Inbox) -> None:
    alert_task_failure(_TASK)
    alert_run_failure({**_RUN, "reason": "task_failure"})

    subject = "[local] ingest_posts failed (2026-01-02)"
    assert (inbox.slack(), inbox.mail()) == ([f"🔴 {subject}"], [subject])
    text = mails(inbox.folder)[0]["text"]
    assert "Error: InvalidDataError: the answer is HTML" in text
    assert "/dags/ingest_posts/runs/r1/tasks/land?try_number=1" in text


def test_a_cause_is_reported_once_and_once_more_when_it_is_over(inbox: Inbox) -> None:
    for _ in range(3):
        alert_task_failure(_TASK)
    alert_recovery({**_RUN, "reason": "success"})
    alert_recovery({**_RUN, "reason": "success"})

    slack = inbox.slack()
    assert ["recovered" in text for text in slack] == [False, True]
    assert len(inbox.mail()) == 2
    assert "Seen: 3 times" in mails(inbox.folder)[1]["text"]

    alert_task_failure(_TASK)
    assert inbox.counts() == (3, 3)


def test_a_success_that_is_reported_late_does_not_end_the_failure_of_a_later_run(
    inbox: Inbox,
) -> None:
    """The dag-processor reports a success when it has time, and a task its failure at once."""
    failing_test = RuntimeError("posts_agree: Got 1 result, configured to fail if != 0")
    alert_task_failure({**_TASK, "exception": failing_test})
    succeeded = SimpleNamespace(**vars(_RUN["dag_run"]), end_date=datetime.now(UTC))
    alert_task_failure({**_TASK, "run_id": "r3", "exception": InvalidDataError("a torn link")})
    alert_recovery({**_RUN, "run_id": "r2", "dag_run": succeeded, "reason": "success"})

    assert inbox.counts() == (1, 1)
    [(kind, facts)] = inbox.query(
        "select kind, details ->> 'facts' from ops.incidents where closed_at is null"
    )
    assert kind == Kind.RUN_FAILED
    assert "a torn link" in facts
    assert "r3" in facts

    ended = SimpleNamespace(**vars(_RUN["dag_run"]), end_date=datetime.now(UTC))
    alert_recovery({**_RUN, "run_id": "r4", "dag_run": ended, "reason": "success"})
    assert ["recovered" in text for text in inbox.slack()] == [False, True]


def test_the_smallest_context_is_enough(inbox: Inbox) -> None:
    alert_run_failure({**_SMALLEST, "reason": "timed_out"})
    alert_recovery({**_SMALLEST, "reason": "success"})
    opened, recovered = (text.split("] ")[1] for text in inbox.mail())
    assert opened == "transform_posts timed out (all days)"
    assert re.fullmatch(rf"recovered after 0:\d\d:\d\d: {re.escape(opened)}", recovered)


@pytest.mark.parametrize("context", [{}, {"dag": None, "run_id": None, "dag_run": object()}])
def test_a_callback_never_raises(inbox: Inbox, context: dict[str, object]) -> None:
    for callback in (alert_task_failure, alert_run_failure, alert_recovery):
        callback(context)
    inbox.monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "{broken")
    inbox.monkeypatch.setenv("PIPELINE_ALERT_MENTION", "everybody!")
    for callback in (alert_task_failure, alert_run_failure, alert_recovery):
        callback(_TASK)


def test_dbt_tests_that_failed_are_named_with_their_counts(inbox: Inbox) -> None:
    error = RuntimeError(
        "dbt invocation completed with errors: "
        "posts_agree: Got 1 result, configured to fail if != 0\n"
        "posts_unique: Got 7 results, configured to fail if != 0"
    )
    alert_task_failure({**_TASK, **_SMALLEST, "exception": error})
    text = mails(inbox.folder)[0]["text"]
    assert "transform_posts: a dbt test failed" in inbox.mail()[0]
    assert "Test 1: posts_agree found 1" in text
    assert "Test 2: posts_unique found 7" in text
    assert runbook_section(Kind.DBT_TEST_FAILED) in text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("left_out", "arrived"),
    [
        ("AIRFLOW_CONN_SLACK_ALERTS", (0, 1)),
        ("AIRFLOW_CONN_SMTP_DEFAULT", (1, 0)),
        ("PIPELINE_ALERT_EMAIL", (1, 0)),
    ],
)
def test_either_channel_may_be_left_out(
    inbox: Inbox, left_out: str, arrived: tuple[int, int]
) -> None:
    inbox.without(left_out)
    alert_task_failure(_TASK)
    assert inbox.counts() == arrived


def test_without_a_warehouse_it_is_reported_all_the_same_and_says_so(inbox: Inbox) -> None:
    inbox.no_warehouse()
    alert_task_failure(_TASK)
    assert inbox.counts() == (1, 1)
    text = mails(inbox.folder)[0]["text"]
    assert "The warehouse does not answer, so this alert may be sent twice." in text
    assert "incident not recorded" in text


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"status": 429}])
def test_a_channel_that_fails_stops_neither_the_other_nor_the_task(
    inbox: Inbox, fault: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    inbox.switch(**fault)
    alert_task_failure(_TASK)

    assert inbox.counts() == (0, 1)
    assert "slack did not accept a message" in caplog.text
    assert SECRET not in caplog.text


def test_a_channel_that_hangs_costs_seconds(inbox: Inbox) -> None:
    inbox.switch(delay=60)
    started = time.monotonic()
    alert_task_failure(_TASK)
    assert time.monotonic() - started < 10
    assert inbox.counts() == (0, 1)


def test_a_channel_that_refuses_connections_keeps_its_secret(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    gone = f"http://127.0.0.1:{free_port()}"
    inbox.connection("SLACK_ALERTS", conn_type="slackwebhook", host=gone, password=SECRET)
    alert_task_failure(_TASK)
    assert inbox.counts() == (0, 1)
    assert SECRET not in caplog.text


def test_secrets_in_an_error_do_not_leave(inbox: Inbox) -> None:
    error = ValueError(f"POST {inbox.slack_server.url}/{SECRET}: {inbox.dsn}\nrow: (Jane)")
    alert_task_failure({**_TASK, "exception": error})
    stored = str(inbox.query("select t::text from ops.incidents as t")) + "".join(
        file.read_text() for file in inbox.folder.glob("mail/*.eml")
    )
    assert SECRET not in stored
    assert "loader-pw" not in stored
    assert "Jane" not in stored
    assert "ValueError" in stored
