"""The recipients of the local stack's alerts. Invariant: every accepted message is stored.

One process with an incoming webhook like Slack's and an SMTP server, both on loopback. Messages
are stored as JSON lines and survive restarts. `slack_messages` and `mails` read them.
"""

import email.policy
import threading
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from local.switchable import SwitchableServer
from local.switches import Answer, Request, Switches
from scripts.cli import run_cli

_HOST = "127.0.0.1"
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def slack_messages(folder: Path) -> list[dict[str, Any]]:
    """Return the stored Slack messages (received_at, path, body), oldest first."""
    return _lines(folder / "slack.jsonl")


def mails(folder: Path) -> list[dict[str, Any]]:
    """Return the stored mails (received_at, from, to, subject, text), oldest first."""
    return _lines(folder / "mail.jsonl")


def slack_sink(folder: Path, port: int = 0) -> SwitchableServer[Switches]:
    """Return a webhook server that stores every JSON body. Its switches can make it fail."""
    lock = threading.Lock()

    def app(request: Request, _: Switches) -> Answer:
        if request.path == "/healthz":
            return Answer(b"ok", headers=_TEXT)
        if request.method != "POST":
            return Answer(b"invalid_method", 405, _TEXT)
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            return Answer(b"invalid_payload", 400, _TEXT)
        if not body:
            return Answer(b"no_text", 400, _TEXT)
        with lock:
            _append(folder / "slack.jsonl", {"path": request.path, "body": body})
        return Answer(b"ok", headers=_TEXT)

    views = {"/_messages": lambda: slack_messages(folder)}
    return SwitchableServer((_HOST, port), app, Switches, views)


class MailKeeper:
    """The mail sink's handler: writes one .eml file and one JSON line for each mail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "mail").mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Store one mail."""
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        number = sum(1 for _ in (self._folder / "mail").iterdir()) + 1
        (self._folder / "mail" / f"{number}.eml").write_bytes(raw)
        mail = message_from_bytes(raw, policy=email.policy.default)
        part = mail.get_body(("plain", "html"))
        _append(
            self._folder / "mail.jsonl",
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "subject": str(mail["subject"] or ""),
                "text": part.get_content() if part else "",
            },
        )
        return "250 OK"


def mail_sink(folder: Path, port: int) -> Controller:
    """Return an SMTP server that stores every mail. `start` serves it from a thread."""
    return Controller(MailKeeper(folder), hostname=_HOST, port=port)


def _append(file: Path, message: dict[str, Any]) -> None:
    line = msgspec.json.encode({"received_at": datetime.now(UTC), **message})
    with file.open("ab", buffering=0) as lines:  # one write per line: readers never see half a line
        lines.write(line + b"\n")


def _lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]


def main(
    slack_port: Annotated[int, typer.Option(help="port of the Slack webhook")],
    smtp_port: Annotated[int, typer.Option(help="port of the mail server")],
    folder: Annotated[Path, typer.Option(help="folder for the messages")],
) -> None:
    """Receive and store Slack messages and mails until stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    mail = mail_sink(folder, smtp_port)
    mail.start()
    with slack_sink(folder, slack_port) as slack, suppress(KeyboardInterrupt):
        typer.echo(f"Slack webhook at {slack.url}, mail at {_HOST}:{smtp_port}")
        slack.serve_forever()
    mail.stop()


if __name__ == "__main__":
    run_cli(main)
