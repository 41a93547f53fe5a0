"""Pending messages are sent at least once, with backoff, and many of them as one message."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from local.processes import free_port
from local.sinks import MailKeeper, mails
from local.switchable import SwitchableServer, running
from local.switches import Answer, Request, Switches
from scripts.alerts import incident_table
from scripts.alerts.delivery import (
    STORM,
    count_unreported,
    deliver,
    failing_channels,
    report_failure,
    report_recovery,
)
from scripts.alerts.incident import Incident, Kind
from tests.inbox import MAIL, PLACE, SECRET, Inbox

pytestmark = pytest.mark.integration

_FIRST = Incident(Kind.RUN_FAILED, "ingest_posts", date(2026, 1, 2), {"Error": "x"})
_DAYS = [Incident(Kind.DAY_LATE, "posts", date(2026, 1, 1) + timedelta(n)) for n in range(200)]


def _report(inbox: Inbox, incident: Incident = _FIRST) -> None:
    report_failure(inbox.dsn, incident, inbox.channels(), PLACE, is_again=True)


def _send(inbox: Inbox) -> int:
    """Deliver as the watch does in every run."""
    with incident_table.connected(inbox.dsn) as connection:
        return deliver(connection, inbox.channels(), PLACE)


def test_slack_that_was_down_is_notified_when_it_is_back_and_mail_did_not_wait(
    inbox: Inbox,
) -> None:
    inbox.switch(status=500)
    _report(inbox)
    assert inbox.counts() == (0, 1)

    for _ in range(3):
        inbox.let_time_pass()
        assert _send(inbox) == 0
    with incident_table.connected(inbox.dsn) as connection:
        [failing] = failing_channels(connection, inbox.channels())
    assert (failing.subject, failing.facts) == ("slack", {"Error": "slack answers 500"})

    inbox.switch()
    inbox.let_time_pass()
    assert _send(inbox) == 1
    assert inbox.counts() == (1, 1)
    assert _send(inbox) == 0


def test_an_attempt_that_failed_is_put_off_further_each_time(inbox: Inbox) -> None:
    inbox.switch(status=503)
    delays = []
    for number in range(6):
        if number:
            inbox.let_time_pass()
            _send(inbox)
        else:
            _report(inbox)
        [(delay,)] = inbox.query(
            "select extract(epoch from next_try_at - clock_timestamp())::float8"
            " from ops.deliveries where channel = 'slack'"
        )
        delays.append(round(delay))
    assert delays == sorted(delays)
    assert delays[0] == 5
    assert delays[-1] == 45


def test_a_channel_is_left_alone_as_long_as_it_asks(inbox: Inbox) -> None:
    inbox.switch(status=429, retry_after=120)
    _report(inbox)
    inbox.switch()
    assert _send(inbox) == 0
    [(delay,)] = inbox.query(
        "select extract(epoch from next_try_at - clock_timestamp())::float8"
        " from ops.deliveries where channel = 'slack'"
    )
    assert 110 < delay <= 120


def test_an_end_is_reported_after_its_beginning(inbox: Inbox) -> None:
    inbox.switch(status=500)
    _report(inbox)
    report_recovery(inbox.dsn, _FIRST.fingerprint, inbox.channels(), PLACE)
    assert inbox.counts() == (0, 2)

    inbox.switch()
    inbox.let_time_pass()
    assert _send(inbox) == 2
    assert ["recovered" in text for text in inbox.slack()] == [False, True]


def test_two_hundred_tasks_with_one_cause_are_one_message_with_their_count(inbox: Inbox) -> None:
    for _ in range(200):
        _report(inbox)
    report_recovery(inbox.dsn, _FIRST.fingerprint, inbox.channels(), PLACE)
    assert inbox.counts() == (2, 2)
    assert "Seen: 200 times" in mails(inbox.folder)[-1]["text"]


def test_two_hundred_causes_at_once_are_one_message_with_their_count(inbox: Inbox) -> None:
    with incident_table.connected(inbox.dsn) as connection:
        for incident in _DAYS:
            incident_table.record_sighting(connection, incident, ["slack", MAIL])
    _send(inbox)
    assert inbox.mail() == ["[local] 200 incidents began"]
    assert "day-late: 200" in mails(inbox.folder)[0]["text"]

    with incident_table.connected(inbox.dsn) as connection:
        for incident in _DAYS:
            incident_table.close_incident(connection, incident.fingerprint)
    _send(inbox)
    assert inbox.slack()[1:] == ["🟢 [local] 200 incidents recovered"]


def test_callbacks_of_a_storm_leave_the_rest_to_one_message(inbox: Inbox) -> None:
    for incident in _DAYS[:40]:
        _report(inbox, incident)
    assert inbox.counts() == (STORM, STORM)
    _send(inbox)
    assert inbox.mail()[STORM:] == [f"[local] {40 - STORM} incidents began"]


def test_of_two_processes_one_sends(inbox: Inbox) -> None:
    inbox.switch(delay=1, times=1)
    with incident_table.connected(inbox.dsn) as connection:
        incident_table.record_sighting(connection, _FIRST, ["slack"])
    threads = [threading.Thread(target=_send, args=(inbox,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inbox.slack()) == 1


def test_a_kill_between_send_and_mark_repeats_the_same_incident_once(inbox: Inbox) -> None:
    with incident_table.connected(inbox.dsn) as connection:
        number = incident_table.record_sighting(connection, _FIRST, [MAIL])
    program = (
        "from scripts.alerts import incident_table\n"
        "from scripts.alerts.channels import channels_from_env\n"
        "from scripts.alerts.delivery import deliver\n"
        "from scripts.settings import deployment, warehouse_dsn_from_env\n"
        "with incident_table.connected(warehouse_dsn_from_env()) as connection:\n"
        "    deliver(connection, channels_from_env(), deployment())\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PIPELINE_KILL_AT": "alerts.sent"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(inbox.mail()) == 1

    assert _send(inbox) == 1
    assert _send(inbox) == 0
    first, second = (mail["text"] for mail in mails(inbox.folder))
    assert f"incident {number} ·" in first
    assert first == second


def test_a_silenced_cause_is_recorded_and_not_reported_until_the_silence_ends(inbox: Inbox) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    with incident_table.connected(inbox.dsn) as connection:
        incident_table.silence(connection, _FIRST.fingerprint, until, "https://tickets.example/1")
    _report(inbox)
    assert inbox.counts() == (0, 0)
    assert inbox.query("select count(*) from ops.incidents") == [(1,)]

    inbox.query("update ops.silences set until_at = clock_timestamp()")
    _report(inbox)
    assert inbox.counts() == (1, 1)


def test_who_has_reached_nobody_is_counted(inbox: Inbox) -> None:
    inbox.without("PIPELINE_ALERT_EMAIL")
    inbox.switch(drop=True)
    _report(inbox)
    with incident_table.connected(inbox.dsn) as connection:
        assert count_unreported(connection) == 1
        inbox.switch()
        inbox.let_time_pass()
        _send(inbox)
        assert count_unreported(connection) == 0


@contextmanager
def _picky_slack(inbox: Inbox, word: str) -> Iterator[list[str]]:
    """Replace the webhook by one that refuses each message with a word. Yield what it accepts."""
    accepted: list[str] = []

    def answer(request: Request, _: Switches) -> Answer:
        if word.encode() in request.body:
            return Answer(b"invalid_blocks", 400)
        accepted.append(json.loads(request.body)["text"])
        return Answer(b"ok")

    with running(SwitchableServer(("127.0.0.1", 0), answer, Switches)) as server:
        inbox.connection("SLACK_ALERTS", host=server.url, password=SECRET)
        yield accepted


@pytest.mark.parametrize("count", [3, STORM + 3])
def test_a_message_that_a_channel_refuses_for_good_steps_aside_and_is_reported(
    inbox: Inbox, count: int
) -> None:
    incidents = [Incident(Kind.DAY_LATE, "poison"), *_DAYS[: count - 1]]
    with _picky_slack(inbox, "poison") as accepted:
        with incident_table.connected(inbox.dsn) as connection:
            for incident in incidents:
                incident_table.record_sighting(connection, incident, ["slack"])
        _send(inbox)  # once: nobody waits for the next look
        assert len(accepted) == (1 if count > STORM else count - 1)
        with incident_table.connected(inbox.dsn) as connection:
            [failing] = failing_channels(connection, inbox.channels())
            assert failing.facts == {"Error": "slack refuses the message: 400 invalid_blocks"}
            assert inbox.query("select count(*) from ops.deliveries where sent_at is null") == [
                (1,)
            ]
            incident_table.close_incident(connection, incidents[0].fingerprint)
            assert failing_channels(connection, inbox.channels()) == []


def test_a_pause_that_a_channel_asks_for_holds_for_every_message(inbox: Inbox) -> None:
    inbox.switch(status=429, retry_after=120)
    for incident in _DAYS[:5]:
        _report(inbox, incident)
    _send(inbox)
    posts = [request for request in inbox.slack_server.requests if request.method == "POST"]
    assert len(posts) == 1
    assert len(inbox.mail()) == 5
    inbox.switch()
    inbox.let_time_pass()
    _send(inbox)
    assert len(inbox.slack()) == 5


class _Strict(MailKeeper):
    """Refuses a text with the word poison."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "poison" in str(envelope.content):
            return "554 no"
        return await super().handle_DATA(server, session, envelope)


@pytest.fixture
def strict_mail(inbox: Inbox) -> Iterator[dict[str, int]]:
    """Replace the mail server, and send to two addresses. Yield the codes of refused addresses."""
    refused: dict[str, int] = {}

    async def receive(*arguments: Any) -> str:
        _, _, envelope, address, _ = arguments[-5:]
        if address in refused:
            return f"{refused[address]} no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    port = free_port()
    keeper = type("Keeper", (_Strict,), {"handle_RCPT": receive})(inbox.folder)
    server = Controller(keeper, hostname="127.0.0.1", port=port)
    server.start()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "p@example.com"}
    inbox.connection("SMTP_DEFAULT", host="127.0.0.1", port=port, extra=extra)
    inbox.monkeypatch.setenv("PIPELINE_ALERT_EMAIL", "on-call@example.com, second@example.com")
    yield refused
    server.stop()


@pytest.mark.parametrize("code", [451, 550])
def test_an_address_that_is_refused_gets_its_message_later_and_the_other_one_gets_it_once(
    inbox: Inbox, strict_mail: dict[str, int], code: int
) -> None:
    strict_mail["second@example.com"] = code
    _report(inbox)
    assert [mail["to"] for mail in mails(inbox.folder)] == [["on-call@example.com"]]
    inbox.let_time_pass()
    _send(inbox)
    with incident_table.connected(inbox.dsn) as connection:
        [failing] = failing_channels(connection, inbox.channels())
    assert failing.subject == "mail:second@example.com"
    assert failing.facts == {"Error": f"mail: the server answers {code} to the address"}

    strict_mail.clear()
    inbox.let_time_pass()
    _send(inbox)
    assert [mail["to"] for mail in mails(inbox.folder)] == [
        ["on-call@example.com"],
        ["second@example.com"],
    ]


def test_a_mail_whose_text_is_refused_steps_aside(
    inbox: Inbox, strict_mail: dict[str, int]
) -> None:
    assert strict_mail == {}
    _report(inbox, Incident(Kind.DAY_LATE, "poison"))
    _report(inbox, _FIRST)
    assert ["ingest_posts" in subject for subject in inbox.mail()] == [True, True]
    with incident_table.connected(inbox.dsn) as connection:
        failing = failing_channels(connection, inbox.channels())
    assert {one.facts["Error"] for one in failing} == {"mail: the server answers 554 to the text"}
