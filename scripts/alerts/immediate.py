"""The fast path: tell at once, within a few seconds. Invariant: with or without the warehouse.

What it cannot send, the safe path (`scripts.alerts.monitor`) finds owed in the table.
"""

import logging
from collections.abc import Sequence

from scripts.alerts import incident_table
from scripts.alerts.channels import Channel
from scripts.alerts.delivery import deliver, send_without_table
from scripts.alerts.incident import Incident
from scripts.errors import UnavailableError
from scripts.settings import Deployment

_log = logging.getLogger(__name__)


def report_failure(
    dsn: str, incident: Incident, channels: Sequence[Channel], place: Deployment, *, is_again: bool
) -> None:
    """Open the incident, or see it again, and send it where it has not been sent."""
    names = [channel.name for channel in channels]
    try:
        with incident_table.connected(dsn) as connection:
            number = incident_table.see(connection, incident, names, is_again=is_again)
            deliver(connection, channels, place, only=number)
    except UnavailableError as error:
        _log.warning("no table of incidents, so this may be told twice: %s", error)
        send_without_table(incident, channels, place)


def report_recovery(
    dsn: str, fingerprint: str, channels: Sequence[Channel], place: Deployment
) -> None:
    """Close the cause's open incident, if there is one, and say that it is over."""
    with incident_table.connected(dsn) as connection:
        number = incident_table.close(connection, fingerprint)
        if number is not None:
            deliver(connection, channels, place, only=number)
