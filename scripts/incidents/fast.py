"""The fast path: tell at once, within a few seconds. Invariant: with or without the warehouse.

What it cannot send, the safe path (`scripts.incidents.patrol`) finds owed in the table.
"""

import logging
from collections.abc import Sequence

from scripts.errors import UnavailableError
from scripts.incidents import store
from scripts.incidents.channels import Channel
from scripts.incidents.deliver import deliver, send_untabled
from scripts.incidents.incident import Incident
from scripts.settings import Deployment

_log = logging.getLogger(__name__)


def tell(
    dsn: str, incident: Incident, channels: Sequence[Channel], place: Deployment, *, is_again: bool
) -> None:
    """Open the incident, or see it again, and send it where it has not been sent."""
    names = [channel.name for channel in channels]
    try:
        with store.connected(dsn) as connection:
            number = store.see(connection, incident, names, is_again=is_again)
            deliver(connection, channels, place, only=number)
    except UnavailableError as error:
        _log.warning("no table of incidents, so this may be told twice: %s", error)
        send_untabled(incident, channels, place)


def tell_end(dsn: str, fingerprint: str, channels: Sequence[Channel], place: Deployment) -> None:
    """Close the cause's open incident, if there is one, and say that it is over."""
    with store.connected(dsn) as connection:
        number = store.close(connection, fingerprint)
        if number is not None:
            deliver(connection, channels, place, only=number)
