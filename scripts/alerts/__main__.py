"""Alerts by hand: what is open, whom to spare, and whether the channels work.

Invariant: a test message says that it is one, and leaves no incident behind.
"""

import sys
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from scripts.alerts import incident_table
from scripts.alerts.catalog import CATALOG
from scripts.alerts.channels import Channel, channels_from_env
from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.messages import notice_of
from scripts.cli import run_app
from scripts.errors import ConfigurationError, InvalidInputError, PipelineError, UnavailableError
from scripts.settings import deployment, warehouse_dsn_from_env

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Incidents and who is told of them.",
)


@app.command("list")
def list_incidents(
    all_: Annotated[bool, typer.Option("--all", help="also what is over")] = False,
    limit: Annotated[int, typer.Option(help="at most so many, the latest first")] = 100,
) -> None:
    """List incidents: a table in a terminal, JSON in a pipe."""
    with incident_table.connected(warehouse_dsn_from_env()) as connection:
        found = incident_table.read_incidents(connection, only_open=not all_, limit=limit)
    rows = [
        {
            "incident": one.incident_id,
            "fingerprint": one.incident.fingerprint,
            "class": one.incident.kind,
            "severity": CATALOG[one.incident.kind].severity,
            "opened_at": one.opened_at,
            "closed_at": one.closed_at,
            "seen": one.seen,
        }
        for one in reversed(found)
    ]
    if not sys.stdout.isatty():
        typer.echo(b"[" + b",\n".join(map(msgspec.json.encode, rows)) + b"]")
    elif not rows:
        typer.echo("no incident is open")
    else:
        table = Table(*rows[0])
        for row in rows:
            table.add_row(
                *(
                    f"{value:%F %T}" if isinstance(value, datetime) else str(value or "")
                    for value in row.values()
                )
            )
        Console().print(table, markup=False)


@app.command("silence")
def silence(
    fingerprint: Annotated[str, typer.Argument(help="the cause, as listed")],
    hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="from now")],
    ticket: Annotated[str, typer.Option(help="URL of the ticket that says why")],
) -> None:
    """Tell nobody of one cause for some hours; a ticket says why, and 0 hours ends a silence."""
    if urlsplit(ticket).scheme not in {"http", "https"} or not urlsplit(ticket).hostname:
        raise InvalidInputError(f"expected the URL of a ticket, got {ticket[:80]!r}")
    until = datetime.now(UTC) + timedelta(hours=hours)
    with incident_table.connected(warehouse_dsn_from_env()) as connection:
        incident_table.silence(connection, fingerprint, until, ticket)
    typer.echo(f"{fingerprint} is silent until {until:%Y-%m-%d %H:%M} UTC")


@app.command("check")
def check() -> None:
    """Try every configured channel without sending anything; exit 2 if one cannot work."""
    for channel in _configured():
        channel.check()
        typer.echo(f"{channel.name}: works")


@app.command("test")
def test() -> None:
    """Send one message of each class to every configured channel, and say what arrived where."""
    failed = [
        f"{channel.name}: {error}"
        for channel in _configured()
        for kind in Kind
        if (error := _sent(channel, kind))
    ]
    if failed:
        raise UnavailableError(f"not taken: {'; '.join(failed)}")


def _configured() -> list[Channel]:
    found = channels_from_env()
    if not found:
        raise ConfigurationError(
            "no channel is configured: set AIRFLOW_CONN_SLACK_ALERTS, or PIPELINE_ALERT_EMAIL"
            " and AIRFLOW_CONN_SMTP_DEFAULT"
        )
    return found


def _sent(channel: Channel, kind: Kind) -> str:
    """Send a test of one class; return what went wrong, or nothing."""
    facts = {"Note": "this is a test: nothing is wrong"}
    incident = Incident.new(kind, "alerts-test", date(2000, 1, 1), facts)
    try:
        channel.send(notice_of(IncidentRecord(incident), deployment(), None))
    except PipelineError as error:
        typer.echo(f"{channel.name}: {kind} was not taken: {error}")
        return str(error)
    typer.echo(f"{channel.name}: {kind} was taken")
    return ""


if __name__ == "__main__":
    run_app(app)
