"""The channels: Slack and mail. Invariant: one attempt per call, and no secret in an error."""

import email.policy
import logging
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from slack_sdk.webhook import WebhookClient

from scripts import settings
from scripts.alerts.messages import Notice
from scripts.errors import ConfigurationError, UnavailableError

_SECONDS = 5
_UNFOLDED = email.policy.SMTP.clone(max_line_length=998)  # a folded subject begins with a space
_INVALID_WEBHOOK = {401, 403, 404, 410}
_MAX_RETRY_AFTER = 900  # seconds, even if the channel asks for more
_log = logging.getLogger(__name__)
# The client logs its URL, which is the secret, at level DEBUG.
_quiet = logging.getLogger("scripts.alerts.slack_sdk")
_quiet.setLevel(logging.CRITICAL)


class DeliveryError(UnavailableError):
    """A channel did not accept a message. It asks for a delay of `retry_after` seconds."""

    def __init__(self, text: str, retry_after: float = 0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


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
        """Post one message. Raises DeliveryError unless Slack answers 200."""
        client = WebhookClient(self._url, timeout=_SECONDS, retry_handlers=[], logger=_quiet)
        with _delivering("slack", Exception):  # from urllib, http.client and others
            answer = client.send_dict(notice.slack())
        if answer.status_code != requests.codes.ok:
            asked = CaseInsensitiveDict(answer.headers).get("retry-after", "")
            seconds = float(asked) if asked.isdecimal() else 0  # a date is rare: the usual delay
            error = f"slack answers {answer.status_code}"
            raise DeliveryError(error, min(seconds, _MAX_RETRY_AFTER))

    def check(self) -> None:
        """Request the webhook without posting. Raises DeliveryError or ConfigurationError."""
        with _delivering("slack", requests.RequestException):
            status = requests.get(self._url, timeout=_SECONDS, allow_redirects=False).status_code
        if status in _INVALID_WEBHOOK:
            raise ConfigurationError(
                f"connection slack_alerts: the webhook answers {status}. Create a new webhook."
            )


class Mail:
    """A mail server and the recipients, with the same options as Airflow's own mail.

    The extra of the connection can have ``from_email``, ``disable_ssl``, ``disable_tls`` (STARTTLS)
    and ``ssl_context`` ("none" trusts any certificate).
    """

    name = "mail"

    def __init__(
        self, connection: settings.AirflowConnection | None, recipients: list[str]
    ) -> None:
        if connection is None:
            raise ConfigurationError("PIPELINE_ALERT_EMAIL is set: add connection smtp_default")
        self._connection, self._options = connection, connection.extra_dejson
        self._sender = self._options.get("from_email") or connection.login or ""
        self._recipients = recipients
        if not (connection.host and self._sender):
            raise ConfigurationError(
                "connection smtp_default needs a host, and from_email in its extra"
            )

    def send(self, notice: Notice) -> None:
        """Send one mail, as plain text and as HTML, to all recipients. Raises DeliveryError."""
        mail = EmailMessage(policy=_UNFOLDED)
        mail["Subject"], mail["From"] = notice.subject, self._sender
        mail["To"], mail["Date"] = ", ".join(self._recipients), formatdate()
        mail["Message-ID"] = make_msgid(domain="pipeline.invalid")
        mail.set_content(notice.text())
        mail.add_alternative(notice.html(), subtype="html")
        with _delivering("mail", OSError), self._open() as client:
            client.send_message(mail, self._sender, self._recipients)

    def check(self) -> None:
        """Log in and send the addresses, but no message. Raises DeliveryError."""
        with _delivering("mail", OSError), self._open() as client:
            client.ehlo_or_helo_if_needed()
            for code, _ in (client.mail(self._sender), *map(client.rcpt, self._recipients)):
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


def channels_of(
    place: settings.Deployment,
    find: Callable[[str], settings.AirflowConnection | None],
    *,
    is_strict: bool = True,
) -> list[Channel]:
    """Return the configured channels. Each channel is optional, and mail needs recipients.

    `find` returns the connection with an id, or None. A channel that can never work raises
    ConfigurationError if `is_strict`, as a start of the stack should. Otherwise it is logged and
    left out, as an alert should do.
    """

    def slack() -> list[Channel]:
        connection = find("slack_alerts")
        return [Slack(connection)] if connection else []

    def mail() -> list[Channel]:
        recipients = place.alert_addresses()
        return [Mail(find("smtp_default"), recipients)] if recipients else []

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
