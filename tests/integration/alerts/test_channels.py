"""The channels against a real webhook and a real mail server."""

import email.policy
import json
import os
from email import message_from_bytes
from typing import Any

import pytest

from local.sinks import mails
from scripts.alerts.channels import DeliveryError
from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.messages import notice_of
from scripts.errors import ConfigurationError
from scripts.settings import Deployment
from tests.inbox import PLACE, Inbox

pytestmark = pytest.mark.integration


def test_a_check_finds_a_webhook_that_is_gone_and_posts_nothing(inbox: Inbox) -> None:
    for channel in inbox.channels():
        channel.check()
    assert inbox.counts() == (0, 0)

    inbox.switch(status=404)
    with pytest.raises(ConfigurationError, match="404"):
        inbox.channels()[0].check()
    inbox.connection("SMTP_DEFAULT", host="127.0.0.1", port=1, extra={"from_email": "a@b.c"})
    with pytest.raises(DeliveryError, match="mail: ConnectionRefusedError"):
        inbox.channels()[1].check()


@pytest.mark.parametrize(
    ("name", "parts", "message"),
    [
        ("SLACK_ALERTS", {"host": "x"}, "no password"),
        ("SLACK_ALERTS", {"host": "ftp://x", "password": "T0"}, "not an http"),
        ("SMTP_DEFAULT", {"host": "x"}, "from_email"),
    ],
)
def test_a_channel_that_can_never_work_is_an_error_at_once(
    inbox: Inbox, name: str, parts: dict[str, str], message: str
) -> None:
    inbox.connection(name, **parts)
    with pytest.raises(ConfigurationError, match=message):
        inbox.channels()


def test_addressees_without_a_server_are_an_error_at_once(inbox: Inbox) -> None:
    inbox.without("AIRFLOW_CONN_SMTP_DEFAULT")
    with pytest.raises(ConfigurationError, match="smtp_default"):
        inbox.channels()


_NOTICE = notice_of(IncidentRecord(Incident(Kind.DAY_LATE, "posts")), PLACE, None)


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "302"),
        ({"status": 307, "headers": {"Location": "/elsewhere"}}, "307"),
        ({"body": "<html>Welcome</html>"}, "200"),
        ({"body": ""}, "200"),
        ({"status": 400, "body": "<html>Bad Request</html>"}, "400"),
        ({"status": 403}, "403"),
        ({"status": 204}, "204"),
    ],
    ids=str,
)
def test_only_a_200_that_says_ok_is_a_delivery_and_a_check_knows(
    inbox: Inbox, faults: dict[str, Any], says: str
) -> None:
    """The real Slack answers 302 for an unknown webhook, and a proxy answers 200 with a page."""
    inbox.switch(**faults)
    slack = inbox.channels()[0]
    with pytest.raises(DeliveryError, match=f"slack answers {says}"):
        slack.send(_NOTICE)
    with pytest.raises(ConfigurationError, match=f"no working webhook, it answers {says}"):
        slack.check()
    assert inbox.counts() == (0, 0)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_check_of_a_channel_that_is_away_for_now_does_not_advise_a_new_webhook(
    inbox: Inbox, status: int
) -> None:
    inbox.switch(status=status)
    with pytest.raises(DeliveryError, match=f"slack answers {status}"):
        inbox.channels()[0].check()


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("Überwachung <p@example.com>", "Überwachung <p@example.com>"),
        ('"Data, team" <p@example.com>', '"Data, team" <p@example.com>'),
        ("p@example.com", "p@example.com"),
    ],
)
def test_a_sender_may_have_any_name(inbox: Inbox, sender: str, shown: str) -> None:
    connection = json.loads(os.environ["AIRFLOW_CONN_SMTP_DEFAULT"])
    connection["extra"]["from_email"] = sender
    inbox.connection("SMTP_DEFAULT", **connection)
    mail = inbox.channels()[1]
    mail.check()
    mail.send(_NOTICE)
    [kept] = mails(inbox.folder)
    assert kept["from"] == "p@example.com"
    raw = (inbox.folder / "mail" / "1.eml").read_bytes()
    assert message_from_bytes(raw, policy=email.policy.default)["From"] == shown


@pytest.mark.parametrize("address", ["nobody", "ü@example.com", "a@b@c", "<>"])
def test_an_address_that_can_never_work_is_an_error_at_once(inbox: Inbox, address: str) -> None:
    inbox.monkeypatch.setenv("PIPELINE_ALERT_EMAIL", address)
    with pytest.raises(ConfigurationError, match="PIPELINE_ALERT_EMAIL: expected a mail address"):
        inbox.channels()


def test_a_name_of_the_environment_cannot_break_a_header(inbox: Inbox) -> None:
    place = Deployment(environment="local\nBcc: other@example.com")
    inbox.channels()[1].send(notice_of(IncidentRecord(Incident(Kind.DAY_LATE, "x")), place, None))
    [kept] = mails(inbox.folder)
    assert kept["to"] == ["on-call@example.com"]
    assert kept["subject"].startswith("[local Bcc: other@example.com]")
