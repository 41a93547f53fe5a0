"""The ways to tell somebody. Invariant: one attempt a call; no secret in what is raised.

Trying again is the business of `scripts.alerts.delivery`.
"""

import email.policy
import logging
import smtplib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from slack_sdk.webhook import WebhookClient

from scripts.alerts.messages import Notice
from scripts.errors import ConfigurationError, UnavailableError
from scripts.settings import (
    AirflowConnection,
    Deployment,
    deployment,
    optional_connection_from_env,
)

_SECONDS = 5
_UNFOLDED = email.policy.SMTP.clone(max_line_length=998)  # a folded subject begins with a blank
_GONE = {401, 403, 404, 410}
_LONGEST_RETRY_AFTER = 900  # whatever it asks for, it is tried again within this

_log = logging.getLogger(__name__)
# The client writes its URL, which is the secret, into its debugging log.
_quiet = logging.getLogger("scripts.alerts.slack_sdk")
_quiet.setLevel(logging.CRITICAL)


class DeliveryError(UnavailableError):
    """A channel did not take a message; `retry_after` is the seconds it asks to be left alone."""

    def __init__(self, text: str, retry_after: float = 0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Channel(Protocol):
    """Something that takes messages."""

    name: str

    def send(self, notice: Notice) -> None:
        """Deliver one message; raises DeliveryError."""

    def check(self) -> None:
        """Try everything but a message; raises DeliveryError or ConfigurationError."""


class Slack:
    """An incoming webhook."""

    name = "slack"

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, notice: Notice) -> None:
        """Post one message; Slack's answer must be 200."""
        client = WebhookClient(self._url, timeout=_SECONDS, retry_handlers=[], logger=_quiet)
        try:
            answer = client.send_dict(notice.slack())
        except Exception as error:  # noqa: BLE001 - urllib's, http.client's, and others
            raise DeliveryError(f"slack: {type(error).__name__}") from None
        if answer.status_code != requests.codes.ok:
            after = {name.lower(): value for name, value in answer.headers.items()}
            raise DeliveryError(
                f"slack answers {answer.status_code}", _seconds(after.get("retry-after"))
            )

    def check(self) -> None:
        """Ask for the webhook without posting; one that is gone, or unreachable, is an error."""
        try:
            status = requests.get(self._url, timeout=_SECONDS, allow_redirects=False).status_code
        except requests.RequestException as error:
            raise DeliveryError(f"slack: {type(error).__name__}") from None
        if status in _GONE:
            raise ConfigurationError(
                f"connection slack_alerts: the webhook answers {status}; make a new one"
            )


class Mail:
    """A mail server, and the addressees."""

    name = "mail"

    def __init__(
        self, client: Callable[[], smtplib.SMTP], sender: str, addressees: Sequence[str]
    ) -> None:
        self._client = client
        self._sender = sender
        self._addressees = list(addressees)

    def send(self, notice: Notice) -> None:
        """Send one mail, as plain text and as HTML, to all addressees."""
        mail = EmailMessage(policy=_UNFOLDED)
        mail["Subject"], mail["From"] = notice.subject, self._sender
        mail["To"], mail["Date"] = ", ".join(self._addressees), formatdate()
        mail["Message-ID"] = make_msgid(domain="pipeline.invalid")
        mail.set_content(notice.text())
        mail.add_alternative(notice.html(), subtype="html")
        with self._connected() as client:
            client.send_message(mail, self._sender, self._addressees)

    def check(self) -> None:
        """Connect, log in, and name sender and addressees."""
        with self._connected() as client:
            client.ehlo_or_helo_if_needed()
            for code, _ in (client.mail(self._sender), *map(client.rcpt, self._addressees)):
                if code >= 400:  # the server's classes 4xx and 5xx are refusals
                    raise DeliveryError(f"mail: the server answers {code} to an address")
            client.rset()

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        try:
            with self._client() as client:
                yield client
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(f"mail: {type(error).__name__}") from None


def slack_of(connection: AirflowConnection) -> Slack:
    """Build the channel of a slackwebhook connection: its password is the token or the whole URL.

    Raises:
        ConfigurationError: it has no token, or makes no URL.
    """
    token = (connection.password or "").strip()
    if not token:
        raise ConfigurationError("connection slack_alerts has no password: set the webhook's token")
    host = connection.host or "hooks.slack.com/services"
    base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    url = token if "://" in token else f"{base.rstrip('/')}/{token.lstrip('/')}"
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ConfigurationError("connection slack_alerts makes no http(s) URL: look at its host")
    return Slack(url)


def mail_of(connection: AirflowConnection, addressees: Sequence[str]) -> Mail:
    """Build the channel of an smtp connection, with the options that Airflow's own mail uses.

    ``disable_ssl``, ``disable_tls`` (STARTTLS), ``ssl_context`` ("none" trusts any certificate)
    and ``from_email`` are read from its extra.

    Raises:
        ConfigurationError: it names no host or no sender.
    """
    options = connection.extra_dejson
    host, sender = connection.host, options.get("from_email") or connection.login
    if not host or not sender:
        raise ConfigurationError(
            "connection smtp_default needs a host, and from_email in its extra"
        )
    port = connection.port or 0

    def client() -> smtplib.SMTP:
        opened: smtplib.SMTP
        if options.get("disable_ssl"):
            opened = smtplib.SMTP(host, port, timeout=_SECONDS)
        else:
            opened = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=_trust(options))
        if options.get("disable_ssl") and not options.get("disable_tls"):
            opened.starttls(context=_trust(options))
        if connection.login and connection.password:
            opened.login(connection.login, connection.password)
        return opened

    return Mail(client, sender, addressees)


def channels_of(
    place: Deployment,
    find: Callable[[str], AirflowConnection | None],
    *,
    is_strict: bool = True,
) -> list[Channel]:
    """Return the configured channels; each may be left out, independently of the other.

    Args:
        place: names the addressees; none means that no mail is sent.
        find: returns a connection by its id, or None where there is none.
        is_strict: raise for a channel that is configured and cannot work, as a start should; else
            log it and go on with the others, as an alert must.

    Raises:
        ConfigurationError: a channel is configured and can never work.
    """
    found: list[Channel] = []
    for build in (_slack, _mail):
        try:
            channel = build(place, find)
        except ConfigurationError as error:
            if is_strict:
                raise
            _log.error("a channel is not used: %s", error)
        else:
            found += [channel] if channel else []
    return found


def channels_from_env() -> list[Channel]:
    """Return the channels that this process's own environment configures."""
    return channels_of(deployment(), optional_connection_from_env)


def _slack(_place: Deployment, find: Callable[[str], AirflowConnection | None]) -> Channel | None:
    connection = find("slack_alerts")
    return slack_of(connection) if connection else None


def _mail(place: Deployment, find: Callable[[str], AirflowConnection | None]) -> Channel | None:
    addressees = place.alert_addresses()
    if not addressees:
        return None
    connection = find("smtp_default")
    if connection is None:
        raise ConfigurationError("PIPELINE_ALERT_EMAIL is set: add connection smtp_default")
    return mail_of(connection, addressees)


def _trust(options: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if options.get("ssl_context") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _seconds(text: str | None) -> float:
    try:
        return min(max(0.0, float(text or 0)), _LONGEST_RETRY_AFTER)
    except ValueError:  # a date: rare, and the ordinary delay will do
        return 0.0
