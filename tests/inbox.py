"""A real webhook that can refuse, a real mail server and a real warehouse (fixture `inbox`)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from local.processes import free_port
from local.sinks import mail_sink, mails, slack_messages, slack_sink
from local.switchable import SwitchableServer, running
from local.switches import Switches
from scripts.alerts.channels import Channel, channels_from_env
from scripts.settings import Deployment
from tests.conftest import Warehouse

SECRET = "T0/B0/pl4nted"
MAIL = "mail:on-call@example.com"
PLACE = Deployment(environment="local")


@dataclass(frozen=True)
class Inbox:
    """The messages in both sinks, and switches to make a sink fail or to remove it."""

    folder: Path
    slack_server: SwitchableServer[Switches]
    warehouse: Warehouse
    monkeypatch: pytest.MonkeyPatch

    @property
    def dsn(self) -> str:
        return self.warehouse.loader

    @property
    def dbt_dsn(self) -> str:
        return self.warehouse.transformer

    def slack(self) -> list[str]:
        return [str(message["body"]["text"]) for message in slack_messages(self.folder)]

    def mail(self) -> list[str]:
        return [str(mail["subject"]) for mail in mails(self.folder)]

    def counts(self) -> tuple[int, int]:
        return len(self.slack()), len(self.mail())

    def channels(self) -> list[Channel]:
        return channels_from_env()

    def switch(self, **switches: Any) -> None:
        """Make the webhook fail. Without arguments, make it work again."""
        url = f"{self.slack_server.url}/_switches"
        requests.put(url, json=switches, timeout=5).raise_for_status()

    def without(self, name: str) -> None:
        self.monkeypatch.delenv(name)

    def connection(self, name: str, **parts: Any) -> None:
        self.monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(parts))

    def no_warehouse(self) -> str:
        """Return the DSN of a closed port, and set it as the warehouse connection."""
        port = free_port()
        for name in ("WAREHOUSE", "DBT_POSTGRES_CONN"):
            self.connection(name, conn_type="postgres", host="127.0.0.1", port=port)
        return f"host=127.0.0.1 port={port}"

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def let_time_pass(self) -> None:
        """Make every delivery that waits for its next attempt due."""
        self.query(
            "update ops.deliveries set channel_paused_until = null,"
            " next_try_at = least(next_try_at, clock_timestamp()) where next_try_at < 'infinity'"
        )


@pytest.fixture
def inbox(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    port = free_port()
    slack = slack_sink(tmp_path)
    found = Inbox(tmp_path, slack, warehouse, monkeypatch)
    for name, dsn in (("WAREHOUSE", found.dsn), ("DBT_POSTGRES_CONN", found.dbt_dsn)):
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
        found.connection(
            name,
            conn_type="postgres",
            host=parts["host"],
            port=int(str(parts["port"])),
            schema=parts["dbname"],
            login=parts["user"],
            password=parts["password"],
        )
    found.connection("SLACK_ALERTS", conn_type="slackwebhook", host=slack.url, password=SECRET)
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "p@example.com"}
    found.connection("SMTP_DEFAULT", conn_type="smtp", host="127.0.0.1", port=port, extra=extra)
    monkeypatch.setenv("WAREHOUSE_DSN", warehouse.loader)
    monkeypatch.setenv("PIPELINE_ALERT_EMAIL", "on-call@example.com")
    mail = mail_sink(tmp_path, port)
    mail.start()
    with running(slack):
        yield found
    mail.stop()
