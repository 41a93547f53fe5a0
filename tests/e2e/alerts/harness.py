"""A stack with a Slack webhook that can refuse and a mail server. Invariant: both keep all."""

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from local.sinks import mails, slack_messages, slack_sink
from local.switchable import SwitchableServer, running
from local.switches import Switches
from scripts.alerts.delivery import STORM
from scripts.landing.keys import raw_key
from tests.stack import LocalStack, wait_for

WATCH = 20  # the stack's watch interval, in seconds
LOOK = 60  # seconds that a run of the watch may take until its alerts are sent (a documented goal)
BOTH = ("mail", "slack")
# With this deadline no day of these tests is ever late.
_SETTINGS = {"late_days": 1, "landing_deadline_hours": 24 * 3650}


class Message(NamedTuple):
    """A message that a channel accepted. The phase is ``opened`` or ``recovered``."""

    channel: str
    phase: str
    subject: str
    at: datetime
    whole: str


class SlackWebhook:
    """Slack's webhook on one port: it accepts, refuses, or does not listen."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._port = port
        self._serving = ExitStack()
        self._server: SwitchableServer[Switches]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen, and accept every message."""
        self._server = self._serving.enter_context(running(slack_sink(self.folder, self._port)))

    def close(self) -> None:
        """Refuse every connection."""
        self._serving.close()

    def reopen(self) -> None:
        """Listen again, with an empty list of requests, and accept every message."""
        self.close()
        self.open()

    def refuse(self, **switches: Any) -> None:
        """Fail as the switches say. Without arguments, accept every message."""
        self._server.switches = Switches(**switches)

    def asked(self) -> list[datetime]:
        """Return the times of all requests since the webhook was opened."""
        asked = [request for request in self._server.requests if request.method == "POST"]
        return [datetime.fromtimestamp(request.at, UTC) for request in asked]


@dataclass
class Harness:
    """The stack, and every alert that it sent."""

    stack: LocalStack
    slack: SlackWebhook

    def messages(self, title: str) -> list[Message]:
        """Return the messages of a cause, found by a part of their subject."""
        found = [
            _message("slack", kept["body"]["text"], kept)
            for kept in slack_messages(self.slack.folder)
        ]
        found += [
            _message("mail", kept["subject"], kept) for kept in mails(self.stack.folder / "inbox")
        ]
        return [message for message in found if title in message.subject]

    def wait_for_alert(
        self, title: str, phase: str, seconds: float, channels: tuple[str, ...] = BOTH
    ) -> dict[str, datetime]:
        """Wait until each of these channels has one message. Return when each was received."""

        def look() -> list[Message]:
            found = [message for message in self.messages(title) if message.phase == phase]
            return [message for message in found if message.channel in channels]

        found = wait_for(look, lambda some: {one.channel for one in some} == {*channels}, seconds)
        assert len(found) == len(channels), found
        return {message.channel: message.at for message in found}

    def assert_delivered_once(
        self, title: str, fingerprint: str, channels: tuple[str, ...] = BOTH
    ) -> None:
        """Fail unless a cause has one incident, and one alert and one recovery on each channel."""
        sent = sorted((message.channel, message.phase) for message in self.messages(title))
        assert sent == [(name, phase) for name in channels for phase in ("opened", "recovered")]
        incidents = "select count(*), count(closed_at) from ops.incidents where fingerprint = %s"
        assert self.stack.query(incidents, fingerprint) == [(1, 1)]

    def quiet(self) -> None:
        """Wait until nothing is open or undelivered: an open incident can suppress another one."""
        left = """
            select fingerprint from ops.incidents where closed_at is null
            union all select channel || phase from ops.deliveries where sent_at is null
        """
        wait_for(lambda: self.stack.query(left), lambda rows: rows == [], 2 * (WATCH + LOOK))

    def room(self, messages: int) -> None:
        """Wait until this many messages fit under the storm limit. The watch sends the others."""
        sent = (
            "select count(*) from ops.deliveries"
            " where channel = 'slack' and sent_at > clock_timestamp() - interval '1 minute'"
        )
        wait_for(lambda: self.stack.query(sent)[0][0], lambda n: n + messages <= STORM, 90)

    def configure(self, **settings: Any) -> None:
        """Override the run settings of these tests. Each call replaces all earlier overrides."""
        value = json.dumps({**_SETTINGS, **settings})
        done = self.stack.command("airflow", "variables", "set", "pipeline", value)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def drop(self, day: str, records: Any) -> None:
        """Put a day's object as another program does."""
        self.stack.s3().put_object(
            Bucket=self.stack.known["bucket"],
            Key=raw_key("posts", datetime.fromisoformat(day).date()),
            Body=json.dumps(records),
        )


def posts(count: int, bad: int = 0) -> list[dict[str, Any]]:
    """Return ``count`` posts. The last ``bad`` of them break the contract."""
    whole = [{"userId": 1, "id": n, "title": f"t{n}", "body": "b"} for n in range(1, count + 1)]
    return whole[: count - bad] + [{"id": post["id"]} for post in whole[count - bad :]]


def say(line: str) -> None:
    """Print a measurement, visible with ``-s``."""
    sys.stdout.write(f"\n{line}\n")


def _message(channel: str, subject: str, kept: dict[str, Any]) -> Message:
    phase = "recovered" if "recovered after" in subject else "opened"
    at = datetime.fromisoformat(kept["received_at"])
    return Message(channel, phase, subject, at, str(kept))
