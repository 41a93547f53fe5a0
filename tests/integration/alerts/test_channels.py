"""The channels against a real webhook and a real mail server."""

import pytest

from scripts.alerts.channels import DeliveryError
from scripts.errors import ConfigurationError
from tests.inbox import Inbox

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
