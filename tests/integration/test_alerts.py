"""The callbacks against a real webhook, a real mail server and a real warehouse."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from callbacks import alert_run_failure, alert_task_failure, tell_recovery
from scripts.errors import RefusedError
from scripts.local.processes import free_port
from scripts.local.sinks import mail_sink, mails, slack_messages, slack_sink
from scripts.local.switchable import running
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_RUN = {"dag": SimpleNamespace(dag_id="ingest_posts"), "run_id": "r1"}
_TASK_CONTEXT = {
    **_RUN,
    "task_instance": SimpleNamespace(task_id="land", try_number=1),
    "exception": RefusedError("the answer is HTML"),
}


@dataclass(frozen=True)
class Inbox:
    """What arrived at both sinks, and how to leave a channel out."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def texts(self) -> tuple[list[str], list[str]]:
        slack = [str(message["body"]["text"]) for message in slack_messages(self.folder)]
        return slack, [str(mail["subject"]) for mail in mails(self.folder)]

    def without(self, name: str) -> None:
        self.monkeypatch.delenv(name)


@pytest.fixture
def inbox(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    port = free_port()
    slack = slack_sink(tmp_path)
    connections: dict[str, Any] = {
        "WAREHOUSE": _postgres(warehouse.loader),
        "SLACK_ALERTS": {"conn_type": "slackwebhook", "host": slack.url, "password": "T/B/secret"},
        "SMTP_DEFAULT": {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "p@example.com"},
        },
    }
    for name, value in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(value))
    monkeypatch.setenv("PIPELINE_ALERT_EMAIL", "on-call@example.com, second@example.com")
    mail = mail_sink(tmp_path, port)
    mail.start()
    with running(slack):
        yield Inbox(tmp_path, monkeypatch)
    mail.stop()


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


def test_a_failed_task_and_its_run_are_one_message_a_channel(inbox: Inbox) -> None:
    alert_task_failure(_TASK_CONTEXT)
    alert_run_failure({**_RUN, "reason": "task_failure"})

    assert inbox.texts() == (
        ["[local] ingest_posts.land failed (all days)"],
        ["[local] ingest_posts.land failed (all days)"],
    )
    assert "RefusedError: the answer is HTML" in mails(inbox.folder)[0]["text"]


def test_a_cause_is_told_once_and_once_more_when_it_is_over(inbox: Inbox) -> None:
    for _ in range(3):
        alert_task_failure(_TASK_CONTEXT)
    tell_recovery({**_RUN, "reason": "success"})
    tell_recovery({**_RUN, "reason": "success"})
    alert_task_failure(_TASK_CONTEXT)

    slack, mail = inbox.texts()
    assert [text.split(" ")[2] for text in slack] == ["failed", "recovered", "failed"]
    assert len(mail) == 3


def test_a_killed_task_is_told_by_the_run(inbox: Inbox) -> None:
    alert_run_failure({**_RUN, "reason": "task_failure"})
    assert [len(texts) for texts in inbox.texts()] == [1, 1]


@pytest.mark.parametrize(
    ("left_out", "arrived"),
    [("AIRFLOW_CONN_SLACK_ALERTS", (0, 1)), ("AIRFLOW_CONN_SMTP_DEFAULT", (1, 0)),
     ("PIPELINE_ALERT_EMAIL", (1, 0))],
)  # fmt: skip
def test_either_channel_may_be_left_out(
    inbox: Inbox, left_out: str, arrived: tuple[int, int]
) -> None:
    inbox.without(left_out)
    alert_task_failure(_TASK_CONTEXT)
    slack, mail = inbox.texts()
    assert (len(slack), len(mail)) == arrived


def test_without_a_warehouse_it_is_told_all_the_same(inbox: Inbox) -> None:
    inbox.monkeypatch.setenv(
        "AIRFLOW_CONN_WAREHOUSE",
        json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": free_port()}),
    )
    alert_task_failure(_TASK_CONTEXT)
    assert [len(texts) for texts in inbox.texts()] == [1, 1]


def test_a_channel_that_fails_stops_neither_the_other_nor_the_task(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    gone = {"conn_type": "slackwebhook", "host": f"http://127.0.0.1:{free_port()}",
            "password": "T/B/secret"}  # fmt: skip
    inbox.monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(gone))
    alert_task_failure(_TASK_CONTEXT)

    assert [len(texts) for texts in inbox.texts()] == [0, 1]
    assert "alerting failed" in caplog.text
    assert "T/B/secret" not in caplog.text
