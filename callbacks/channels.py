"""The ways to tell somebody. Invariant: a channel is used when, and only when, it is configured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from callbacks.message import Message
from scripts.settings import deployment

_SECONDS = 10
_RETRIES = 2


class Channel(Protocol):
    """Something that delivers a message, or raises."""

    name: str

    def send(self, message: Message) -> None:
        """Deliver one message."""


class Slack:
    """An incoming webhook: connection ``slack_alerts``."""

    name = "slack"
    conn_id = "slack_alerts"

    def send(self, message: Message) -> None:
        """Post one message; slack_sdk tries again on 429 and on a server's error."""
        from airflow.providers.slack.hooks.slack_webhook import (
            SlackWebhookHook,
        )
        from slack_sdk.http_retry.builtin_handlers import (
            ConnectionErrorRetryHandler,
            RateLimitErrorRetryHandler,
            ServerErrorRetryHandler,
        )
        from slack_sdk.http_retry.handler import RetryHandler

        retries: list[RetryHandler] = [
            handler(max_retry_count=_RETRIES)
            for handler in (
                ConnectionErrorRetryHandler,
                RateLimitErrorRetryHandler,
                ServerErrorRetryHandler,
            )
        ]
        hook = SlackWebhookHook(
            slack_webhook_conn_id=self.conn_id, timeout=_SECONDS, retry_handlers=retries
        )
        hook.send(text=message.slack_text(), blocks=message.slack_blocks())


class Mail:
    """A mail server: connection ``smtp_default``, to the addresses of PIPELINE_ALERT_EMAIL."""

    name = "mail"
    conn_id = "smtp_default"

    def send(self, message: Message) -> None:
        """Send one mail to all addressees."""
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        with SmtpHook(smtp_conn_id=self.conn_id) as hook:
            hook.send_email_smtp(
                to=deployment().alert_addresses(),
                subject=message.subject,
                html_content=message.html(),
            )


def channels() -> Iterator[Channel]:
    """Yield the configured channels; each may be left out, independently of the other."""
    if _exists(Slack.conn_id):
        yield Slack()
    if deployment().alert_addresses() and _exists(Mail.conn_id):
        yield Mail()


def _exists(conn_id: str) -> bool:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        Connection.get(conn_id)
    except AirflowNotFoundException:
        return False
    return True
