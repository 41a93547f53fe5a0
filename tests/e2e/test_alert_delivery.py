"""Alerts arrive in time: from the real scheduler, in real sinks, in every context."""

import os
import shutil
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.sinks import mails, slack_messages
from local.switchable import SwitchableServer
from local.switches import Switches
from scripts.alerts.delivery import STORM
from tests.e2e.conftest import DUE_DAY
from tests.stack import LocalStack, now, wait_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("one_dbt_task"),
]

_ALARMS = Path(__file__).parent / "alarm_dags.py.txt"
_WATCH = 30  # the stack's watch interval, in seconds


def _slack_messages(stack: LocalStack, text: str) -> list[dict[str, Any]]:
    """Return the Slack messages whose subject holds a text."""
    found = slack_messages(stack.folder / "inbox")
    return [message for message in found if text in message["body"]["text"]]


def _wait_for(stack: LocalStack, text: str, seconds: float, count: int = 1) -> datetime:
    """Wait for exactly ``count`` messages with a text. Return when the last one arrived."""
    found = wait_for(
        lambda: _slack_messages(stack, text), lambda found: len(found) >= count, seconds
    )
    assert len(found) == count
    return datetime.fromisoformat(found[-1]["received_at"])


def _ended(stack: LocalStack, dag_id: str) -> datetime:
    [run] = stack.airflow.runs_since(dag_id, datetime.fromisoformat("2020-01-01T00:00:00Z"))
    [task] = wait_for(  # the alert comes before Airflow stores the end
        lambda: stack.airflow.tasks(dag_id, run["dag_run_id"]),
        lambda tasks: tasks[0]["end_date"],
        60,
    )
    return datetime.fromisoformat(task["end_date"])


def _say(line: str) -> None:
    """Print a measurement, visible with ``-s``."""
    sys.stdout.write(f"\n{line}\n")


def _wait_for_room(stack: LocalStack, messages: int) -> None:
    """Wait until this many messages fit under the storm limit. The watch sends the others."""
    sent = (
        "select count(*) from ops.deliveries"
        " where channel = 'slack' and sent_at > clock_timestamp() - interval '1 minute'"
    )
    wait_for(lambda: stack.query(sent)[0][0], lambda count: count + messages <= STORM, 90)


@pytest.fixture(scope="module")
def alarms(stack: LocalStack, more_dags: Path) -> None:
    """DAGs that fail, in a second DAG folder."""
    _wait_for_room(stack, 3)  # two of the DAGs run as soon as Airflow has parsed them
    shutil.copy(_ALARMS, more_dags / "alarms.py")
    wait_for(lambda: stack.airflow.dag("alarm_sleeper"), bool, 90)


@pytest.mark.usefixtures("alarms")
def test_an_exception_is_reported_in_seconds_from_every_context(stack: LocalStack) -> None:
    stack.airflow.trigger("alarm_manual", {})
    for context in ("manual", "scheduled", "triggered"):
        dag_id = f"alarm_{context}"
        alerted_at = _wait_for(stack, f"{dag_id} failed", 60)
        seconds = (alerted_at - _ended(stack, dag_id)).total_seconds()
        _say(f"{context}: alert {seconds:+.1f} s after the task's end")
        assert seconds <= 5
        [message] = _slack_messages(stack, f"{dag_id} failed")
        assert "PLANTED" not in str(message)
        assert "<!channel>" not in str(message)


@pytest.mark.usefixtures("alarms")
def test_a_killed_task_is_reported_by_its_run(stack: LocalStack) -> None:
    _wait_for_room(stack, 1)
    run_id = stack.airflow.trigger("alarm_sleeper", {})
    [task] = wait_for(
        lambda: stack.airflow.tasks("alarm_sleeper", run_id),
        lambda tasks: tasks and tasks[0]["pid"] and tasks[0]["state"] == "running",
        60,
    )
    os.kill(task["pid"], signal.SIGKILL)
    killed_at = datetime.now().astimezone()
    alerted_at = _wait_for(stack, "alarm_sleeper failed", 60)
    _say(f"alert {(alerted_at - killed_at).total_seconds():.1f} s after the kill")
    assert alerted_at - killed_at <= timedelta(seconds=30)


def test_a_file_that_cannot_be_imported_is_reported_and_its_end_too(
    stack: LocalStack, more_dags: Path
) -> None:
    broken = more_dags / "broken.py"
    broken.write_text("from airflow.sdk import dag\nraise ValueError('token=PLANTED-value')\n")
    wait_for(stack.airflow.import_errors, bool, 60)
    seen_at = datetime.now().astimezone()
    alerted_at = _wait_for(stack, "broken.py cannot be imported", _WATCH + 60)
    _say(f"alert {(alerted_at - seen_at).total_seconds():.1f} s after Airflow recorded the error")
    assert "PLANTED" not in str(_slack_messages(stack, "broken.py"))

    broken.unlink()
    _wait_for(stack, "recovered", _WATCH + 60, len(_slack_messages(stack, "recovered")) + 1)
    assert "broken.py" in _slack_messages(stack, "recovered")[-1]["body"]["text"]


def test_a_late_day_is_reported_until_it_lands(stack: LocalStack) -> None:
    """A source's day is due if the source landed before it."""
    older, due = DUE_DAY - timedelta(days=40), DUE_DAY
    assert stack.run_by_hand("ingest_posts", {"day": older.isoformat()})[1] == "success"
    wait_for(lambda: stack.query("select from ops.loads where day = %s", older), bool, 240)
    loaded_at = now()  # the next watch knows the older day
    wait_for(
        lambda: stack.airflow.runs_since("watch_pipeline", loaded_at),
        lambda runs: bool(runs) and runs[0]["state"] == "success",
        _WATCH + 60,
    )
    assert _slack_messages(stack, "posts has not landed") == [], "it began to land today"
    earlier = "update ops.loads set loaded_at = day where day = %s returning day"
    assert stack.query(earlier, older) == [(older,)]
    _wait_for(stack, "posts has not landed", _WATCH + 60)

    [message] = _slack_messages(stack, "posts has not landed")
    late = message["body"]["text"].rsplit("(", 1)[1].rstrip(")")
    assert late in {
        due.isoformat(),
        (due + timedelta(days=1)).isoformat(),
    }  # when the test runs across midnight
    stack.run_by_hand("ingest_posts", {"day": late})
    title = "posts has not landed ("
    _wait_for(stack, title, _WATCH + 60, 2)  # the second one is the recovery message
    assert "recovered" in _slack_messages(stack, title)[-1]["body"]["text"]


def test_the_heartbeat_is_pinged_and_every_channel_was_notified_alike(
    stack: LocalStack, heartbeats: SwitchableServer[Switches]
) -> None:
    pings = [request.path for request in heartbeats.requests]
    assert pings
    assert set(pings) == {"/ping/uuid"}
    inbox = stack.folder / "inbox"

    def sent() -> tuple[list[str], list[str]]:
        by_slack = [message["body"]["text"].split(" ", 1)[1] for message in slack_messages(inbox)]
        return sorted(by_slack), sorted(mail["subject"] for mail in mails(inbox))

    wait_for(sent, lambda both: both[0] == both[1], 30)


def test_no_secret_of_the_stack_is_in_any_log_alert_or_incident(stack: LocalStack) -> None:
    """Search everything that this stack has written for each of its secrets."""
    from local.state import read_state

    state = read_state(stack.folder)
    secrets = {name: getattr(state.secrets, name) for name in state.secrets.__struct_fields__}
    secrets |= {"slack": "local/stand-in/webhook", "planted": "PLANTED"}
    rows = str(stack.query("select incidents::text from ops.incidents"))
    rows += str(stack.query("select deliveries::text from ops.deliveries"))
    sent = "".join(file.read_text() for file in (stack.folder / "inbox").glob("*.jsonl"))
    logs = {
        str(file): file.read_text(errors="replace")
        for file in (stack.folder / "logs").rglob("*.log")
        if file.name != "sinks.log"
    }
    assert len(logs) > 10
    for name, secret in secrets.items():
        assert secret not in rows, name
        assert secret not in sent or name == "slack", name  # the sink records the request path
        found = [file for file, text in logs.items() if secret in text]
        assert not found or name == "planted", (name, found)
