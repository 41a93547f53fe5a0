"""Alerts from the command line. Invariant: a test message says so, and records no incident."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

import typer

from scripts.alerts import incident_table
from scripts.alerts.catalog import CATALOG
from scripts.alerts.channels import Channel, channels_from_env
from scripts.alerts.delivery import try_to_send
from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.messages import notice_of
from scripts.cli import print_rows, run_app
from scripts.errors import ConfigurationError, InvalidInputError, UnavailableError
from scripts.settings import deployment, warehouse_dsn_from_env

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Incidents, and the channels that report them.",
)


@app.command("list")
def list_incidents(
    all_: Annotated[bool, typer.Option("--all", help="include closed incidents")] = False,
    limit: Annotated[int, typer.Option(help="maximum number, the latest first")] = 100,
) -> None:
    """List incidents: a table in a terminal, JSON in a pipe."""
    with incident_table.connected(warehouse_dsn_from_env()) as connection:
        records = incident_table.read_incidents(connection, only_open=not all_, limit=limit)
    rows = [
        {
            "incident": record.incident_id,
            "fingerprint": record.incident.fingerprint,
            "class": record.incident.kind,
            "severity": CATALOG[record.incident.kind].severity,
            "opened_at": record.opened_at,
            "closed_at": record.closed_at,
            "seen": record.seen,
        }
        for record in reversed(records)
    ]
    print_rows(rows, "no open incidents")


@app.command("silence")
def silence(
    fingerprint: Annotated[str, typer.Argument(help="the cause, as shown by list")],
    hours: Annotated[float, typer.Option(min=0, max=24 * 90, help="from now")],
    ticket: Annotated[str, typer.Option(help="URL of the ticket that gives the reason")],
) -> None:
    """Send no messages about a cause for some hours. Use 0 hours to end a silence."""
    if urlsplit(ticket).scheme not in {"http", "https"} or not urlsplit(ticket).hostname:
        raise InvalidInputError(f"--ticket: expected an http or https URL, got {ticket[:80]!r}")
    until = datetime.now(UTC) + timedelta(hours=hours)
    with incident_table.connected(warehouse_dsn_from_env()) as connection:
        incident_table.silence(connection, fingerprint, until, ticket)
    typer.echo(f"{fingerprint} is silent until {until:%Y-%m-%d %H:%M} UTC")


@app.command("check")
def check() -> None:
    """Check every configured channel without sending a message. Exit 2 if one does not work."""
    for channel in _channels():
        channel.check()
        typer.echo(f"{channel.name}: works")


@app.command("test")
def test() -> None:
    """Send a test message of each class to every configured channel, and print the results."""
    failed = []
    for channel in _channels():
        for kind in Kind:
            facts = {"Note": "This is a test. No action required."}
            incident = Incident.new(kind, "alerts-test", date(2000, 1, 1), facts)
            notice = notice_of(IncidentRecord(incident, incident_id=0), deployment(), None)
            if error := try_to_send(channel, notice):
                failed.append(f"{channel.name}: {error}")
            result = f"was not accepted: {error}" if error else "was accepted"
            typer.echo(f"{channel.name}: {kind} {result}")
    if failed:
        raise UnavailableError(f"channels did not accept all messages: {'; '.join(failed)}")


def _channels() -> list[Channel]:
    channels = channels_from_env()
    if not channels:
        raise ConfigurationError(
            "no channel is configured: set AIRFLOW_CONN_SLACK_ALERTS, or PIPELINE_ALERT_EMAIL"
            " and AIRFLOW_CONN_SMTP_DEFAULT"
        )
    return channels


if __name__ == "__main__":
    run_app(app)
