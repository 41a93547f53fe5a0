"""The channels: Slack and mail. Invariant: one attempt per call, and no secret in an error."""

import email.errors
import email.policy
import logging
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Any
from urllib.parse import urlsplit

import requests

from scripts import settings
from scripts.alerts.messages import Notice
from scripts.errors import ConfigurationError, UnavailableError

_SECONDS = 5
_UNFOLDED = email.policy.SMTP.clone(max_line_length=998)  # a folded subject begins with a space
# How Slack refuses a message, and not the webhook, such as ``400 no_text`` for an empty one. A page
# of another program with status 400 has no such word.
_REFUSED_MESSAGE = re.compile(r"400 [a-z_]+|413.*")
_TEMPORARY = {requests.codes.too_many_requests, *range(500, 600)}
_ACCEPTED = "200 ok"
_WORD, _WORD_BYTES = re.compile(r"[a-z_]*"), 80
_MAX_RETRY_AFTER = 900  # seconds, even if the channel asks for more
_log = logging.getLogger(__name__)


class DeliveryError(UnavailableError):
    """A channel did not accept a message. It asks for a pause of `retry_after` seconds."""

    def __init__(self, text: str, retry_after: float = 0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class MessageRefusedError(DeliveryError):
    """The channel works, and refuses this one message for good."""


class Slack:
    """An incoming webhook. The password of its connection is the token or the whole URL."""

    name = "slack"

    def __init__(self, connection: settings.AirflowConnection) -> None:
        token = (connection.password or "").strip()
        if not token:
            raise ConfigurationError(
                "connection slack_alerts has no password: set it to the token of the webhook"
            )
        host = connection.host or "hooks.slack.com/services"
        base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
        self._url = token if "://" in token else f"{base.rstrip('/')}/{token.lstrip('/')}"
        if urlsplit(self._url).scheme not in {"http", "https"} or not urlsplit(self._url).hostname:
            raise ConfigurationError(
                "connection slack_alerts is not an http or https URL: correct its host"
            )

    def send(self, notice: Notice) -> None:
        """Post one message. Raises DeliveryError unless Slack answers 200 and ``ok``."""
        _, text, asked = self._post(notice.slack())
        if _REFUSED_MESSAGE.fullmatch(text):
            raise MessageRefusedError(f"slack refuses the message: {text}")
        if text != _ACCEPTED:
            seconds = float(asked) if asked.isdecimal() else 0  # a date is rare: the usual delay
            raise DeliveryError(f"slack answers {text}", min(seconds, _MAX_RETRY_AFTER))

    def check(self) -> None:
        """Post an empty message, which a webhook refuses. Nothing appears.

        Raises:
            DeliveryError: Slack does not answer, or not now.
            ConfigurationError: the answer is not that of a webhook.
        """
        status, text, _ = self._post({})
        if status in _TEMPORARY:
            raise DeliveryError(f"slack answers {text}")
        if not _REFUSED_MESSAGE.fullmatch(text) and text != _ACCEPTED:
            raise ConfigurationError(
                f"connection slack_alerts: no working webhook, it answers {text}. Create a new one"
            )

    def _post(self, body: dict[str, Any]) -> tuple[int, str, str]:
        """Return the status, the same with Slack's word, and Retry-After. Follow no redirect."""
        with (
            _delivering("slack", Exception),  # urllib3's own errors too
            requests.post(
                self._url, json=body, timeout=_SECONDS, allow_redirects=False, stream=True
            ) as answer,
        ):
            text = next(answer.iter_content(_WORD_BYTES), b"").decode(errors="replace")
        word = text if _WORD.fullmatch(text) else ""  # a page of another program is not shown
        shown = f"{answer.status_code} {word}".strip()
        return answer.status_code, shown, answer.headers.get("Retry-After", "")


class Mail:
    """A mail server and one recipient, with the same options as Airflow's own mail.

    A recipient is a separate channel, so that a server that refuses one of them does not keep the
    message from the others, or send it to them twice.

    The extra of the connection can have ``from_email``, ``disable_ssl``, ``disable_tls`` (STARTTLS)
    and ``ssl_context`` ("none" trusts any certificate).
    """

    def __init__(self, connection: settings.AirflowConnection | None, recipient: str) -> None:
        if connection is None:
            raise ConfigurationError("PIPELINE_ALERT_EMAIL is set: add connection smtp_default")
        self._connection, self._options = connection, connection.extra_dejson
        sender = self._options.get("from_email") or connection.login or ""
        if not (connection.host and sender):
            raise ConfigurationError(
                "connection smtp_default needs a host, and from_email in its extra"
            )
        self._sender = _address(sender, "from_email of connection smtp_default")
        self._recipient = _address(recipient, "PIPELINE_ALERT_EMAIL")
        self.name = f"mail:{self._recipient.addr_spec}"

    def send(self, notice: Notice) -> None:
        """Send one mail, as plain text and as HTML. Raises DeliveryError."""
        mail = EmailMessage(policy=_UNFOLDED)
        mail["Subject"] = " ".join(notice.subject.split())
        mail["From"], mail["To"], mail["Date"] = self._sender, self._recipient, formatdate()
        mail["Message-ID"] = make_msgid(domain="pipeline.invalid")
        mail.set_content(notice.text())
        mail.add_alternative(notice.html(), subtype="html")
        with _delivering("mail", OSError), self._open() as client:
            try:
                client.send_message(mail, self._sender.addr_spec, [self._recipient.addr_spec])
            except smtplib.SMTPDataError as error:
                refused = MessageRefusedError if error.smtp_code >= 500 else DeliveryError
                raise refused(f"mail: the server answers {error.smtp_code} to the text") from None
            except smtplib.SMTPRecipientsRefused as error:
                [(code, _)] = error.recipients.values()
                raise DeliveryError(f"mail: the server answers {code} to the address") from None

    def check(self) -> None:
        """Log in and send the addresses, but no message. Raises DeliveryError."""
        with _delivering("mail", OSError), self._open() as client:
            client.ehlo_or_helo_if_needed()
            answers = (client.mail(self._sender.addr_spec), client.rcpt(self._recipient.addr_spec))
            for code, _ in answers:
                if code >= 400:  # 4xx and 5xx are refusals
                    raise DeliveryError(f"mail: the server answers {code} to an address")
            client.rset()

    def _open(self) -> smtplib.SMTP:
        """Connect and log in. Every error is an OSError, as smtplib's own errors are."""
        connection, options = self._connection, self._options
        host, port = connection.host or "", connection.port or 0
        context = ssl.create_default_context()
        if options.get("ssl_context") == "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if options.get("disable_ssl"):
            client = smtplib.SMTP(host, port, timeout=_SECONDS)
            if not options.get("disable_tls"):
                client.starttls(context=context)
        else:
            client = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
        if connection.login and connection.password:
            client.login(connection.login, connection.password)
        return client


Channel = Slack | Mail


def _address(text: str, where: str) -> Address:
    """Return an address with its display name, which may have any character."""
    name, plain = parseaddr(text)
    try:
        plain.encode("ascii")
        return Address(name, addr_spec=plain)
    except (ValueError, IndexError, email.errors.MessageError):
        raise ConfigurationError(f"{where}: expected a mail address such as a@b.example") from None


def channels_of(
    place: settings.Deployment,
    find: Callable[[str], settings.AirflowConnection | None],
    *,
    is_strict: bool = True,
) -> list[Channel]:
    """Return the configured channels: Slack, and each recipient of mail. All are optional.

    `find` returns the connection with an id, or None. A channel that can never work raises
    ConfigurationError if `is_strict`, as a start of the stack should. Otherwise it is logged and
    left out, as an alert should do.
    """

    def slack() -> list[Channel]:
        connection = find("slack_alerts")
        return [Slack(connection)] if connection else []

    def mail() -> list[Channel]:
        return [Mail(find("smtp_default"), one) for one in place.alert_addresses()]

    found: list[Channel] = []
    for build in (slack, mail):
        try:
            found += build()
        except ConfigurationError as error:
            if is_strict:
                raise
            _log.error("cannot use a channel: %s", error)
    return found


def channels_from_env() -> list[Channel]:
    """Return the channels that the environment of this process configures."""
    return channels_of(settings.deployment(), settings.optional_connection_from_env)


@contextmanager
def _delivering(channel: str, errors: type[Exception]) -> Iterator[None]:
    """Turn errors of a library into a DeliveryError that names their type only."""
    try:
        yield
    except errors as error:
        raise DeliveryError(f"{channel}: {type(error).__name__}") from None
