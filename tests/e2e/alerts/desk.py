"""Who is told: a Slack webhook that can refuse, and a mail server. Invariant: both keep it all."""

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
LOOK = 60  # that a look of the watch may take until it has told, as the goals have it
BOTH = ("mail", "slack")
# A day that has not landed is late on none of the days of these tests.
_SETTINGS = {"late_days": 1, "landing_deadline_hours": 24 * 3650}


class Message(NamedTuple):
    """What a channel took; the phase is ``opened`` or ``recovered``."""

    channel: str
    phase: str
    subject: str
    at: datetime
    whole: str


class SlackDoor:
    """Slack's webhook on one port: open, refusing, or with nobody who listens."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._port = port
        self._serving = ExitStack()
        self._server: SwitchableServer[Switches]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def open(self) -> None:
        """Listen, and take every message."""
        self._server = self._serving.enter_context(running(slack_sink(self.folder, self._port)))

    def close(self) -> None:
        """Refuse every connection."""
        self._serving.close()

    def reopen(self) -> None:
        """Listen anew, with nothing asked so far, and take every message."""
        self.close()
        self.open()

    def refuse(self, **switches: Any) -> None:
        """Fail in one of the switches' ways; without arguments, take every message."""
        self._server.switches = Switches(**switches)

    def asked(self) -> list[datetime]:
        """Return when a message was offered since the door was opened."""
        asked = [request for request in self._server.requests if request.method == "POST"]
        return [datetime.fromtimestamp(request.at, UTC) for request in asked]


@dataclass
class Desk:
    """The stack, and everything that it told."""

    stack: LocalStack
    slack: SlackDoor

    def messages(self, title: str) -> list[Message]:
        """Return what was told of a cause, by a part of its subject."""
        found = [
            _message("slack", kept["body"]["text"], kept)
            for kept in slack_messages(self.slack.folder)
        ]
        found += [
            _message("mail", kept["subject"], kept) for kept in mails(self.stack.folder / "inbox")
        ]
        return [message for message in found if title in message.subject]

    def told(
        self, title: str, phase: str, seconds: float, channels: tuple[str, ...] = BOTH
    ) -> dict[str, datetime]:
        """Wait until these channels know of a cause, each once; return when they were told."""

        def look() -> list[Message]:
            found = [message for message in self.messages(title) if message.phase == phase]
            return [message for message in found if message.channel in channels]

        found = wait_for(look, lambda some: {one.channel for one in some} == {*channels}, seconds)
        assert len(found) == len(channels), found
        return {message.channel: message.at for message in found}

    def assert_told_once(
        self, title: str, fingerprint: str, channels: tuple[str, ...] = BOTH
    ) -> None:
        """Fail unless a cause was one incident, with one beginning and one end on each channel."""
        told = sorted((message.channel, message.phase) for message in self.messages(title))
        assert told == [(name, phase) for name in channels for phase in ("opened", "recovered")]
        incidents = "select count(*), count(closed_at) from ops.incidents where fingerprint = %s"
        assert self.stack.query(incidents, fingerprint) == [(1, 1)]

    def quiet(self) -> None:
        """Wait until nothing is open, nor owed: what is open may explain another cause away."""
        left = """
            select fingerprint from ops.incidents where closed_at is null
            union all select channel || phase from ops.deliveries where sent_at is null
        """
        wait_for(lambda: self.stack.query(left), lambda rows: rows == [], 2 * (WATCH + LOOK))

    def room(self, messages: int) -> None:
        """Wait until so many messages make no storm: what is more is left to the watch."""
        sent = (
            "select count(*) from ops.deliveries"
            " where channel = 'slack' and sent_at > clock_timestamp() - interval '1 minute'"
        )
        wait_for(lambda: self.stack.query(sent)[0][0], lambda n: n + messages <= STORM, 90)

    def configure(self, **settings: Any) -> None:
        """Lay settings of runs over those of these tests; each call names all that differ."""
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
    """Return so many posts, of which the last ones break the contract."""
    whole = [{"userId": 1, "id": n, "title": f"t{n}", "body": "b"} for n in range(1, count + 1)]
    return whole[: count - bad] + [{"id": post["id"]} for post in whole[count - bad :]]


def say(line: str) -> None:
    """Show a measurement to whoever runs this with ``-s``."""
    sys.stdout.write(f"\n{line}\n")


def _message(channel: str, subject: str, kept: dict[str, Any]) -> Message:
    phase = "recovered" if "recovered after" in subject else "opened"
    at = datetime.fromisoformat(kept["received_at"])
    return Message(channel, phase, subject, at, str(kept))
