"""The sinks keep all messages, refuse as configured, and keep their state over a restart."""

import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest
import requests

from local.processes import free_port
from local.sinks import mail_sink, mails, slack_messages, slack_sink
from local.switchable import running

pytestmark = pytest.mark.unit


def post(url: str, text: str) -> requests.Response:
    return requests.post(f"{url}/services/T0/B0/x", json={"text": text}, timeout=5)


def test_a_message_is_answered_ok_and_kept_over_a_restart(tmp_path: Path) -> None:
    with running(slack_sink(tmp_path)) as sink:
        assert post(sink.url, "first ☃").text == "ok"
    with running(slack_sink(tmp_path)) as sink:
        post(sink.url, "second")
        shown = requests.get(f"{sink.url}/_messages", timeout=5).json()

    kept = slack_messages(tmp_path)
    assert shown == kept
    assert [message["body"]["text"] for message in kept] == ["first ☃", "second"]
    assert kept[0]["path"] == "/services/T0/B0/x"
    assert kept[0]["received_at"] < kept[1]["received_at"]


def test_what_is_refused_is_not_kept(tmp_path: Path) -> None:
    with running(slack_sink(tmp_path)) as sink:
        faults = {"status": 429, "retry_after": 1, "times": 1}
        requests.put(f"{sink.url}/_switches", json=faults, timeout=5).raise_for_status()
        refused = post(sink.url, "refused")
        post(sink.url, "taken")
        not_json = requests.post(f"{sink.url}/x", data=b"text=1", timeout=5)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert not_json.status_code == 400
    assert [message["body"]["text"] for message in slack_messages(tmp_path)] == ["taken"]


def send(port: int, subject: str, text: str) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "elt@example.org", "team@example.org"
    mail.set_content(text)
    mail.add_alternative(f"<p>{text}</p>", subtype="html")
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.send_message(mail)


def test_a_mail_is_kept_whole_and_as_a_line_over_a_restart(tmp_path: Path) -> None:
    for number in (1, 2):
        port = free_port()
        sink = mail_sink(tmp_path, port)
        sink.start()
        send(port, f"Failed {number}: ingest_posts ☃", "see the log\n…")
        sink.stop()

    assert [mail["subject"] for mail in mails(tmp_path)] == [
        "Failed 1: ingest_posts ☃",
        "Failed 2: ingest_posts ☃",
    ]
    assert mails(tmp_path)[0]["text"].splitlines() == ["see the log", "…"]
    assert mails(tmp_path)[0]["from"] == "elt@example.org"
    assert mails(tmp_path)[0]["to"] == ["team@example.org"]
    assert b"multipart/alternative" in (tmp_path / "mail" / "2.eml").read_bytes()


def test_nothing_received_is_an_empty_list(tmp_path: Path) -> None:
    assert slack_messages(tmp_path) == mails(tmp_path) == []
