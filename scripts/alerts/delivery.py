"""Send what is owed. Invariant: at least once, and twice only if we die between send and mark.

The row of a delivery is locked while it is sent: of two processes one sends. A channel that fails
is left alone for a while, and stops no other. Many at once become one message with their number.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from scripts.alerts.channels import Channel, DeliveryError
from scripts.alerts.incident import Incident, IncidentRecord
from scripts.alerts.incident_table import Connection, read_incidents
from scripts.alerts.messages import Notice, digest_of, notice_of
from scripts.killpoints import reach
from scripts.settings import Deployment
from scripts.warehouse.ledger import last_published_at

STORM = 5  # more messages than this at once, or in a minute, are one
_FIRST_DELAY = 5
_LONGEST_DELAY = 45  # below a minute, so that every look of the watch tries again

_log = logging.getLogger(__name__)


def deliver(
    connection: Connection, channels: Sequence[Channel], place: Deployment, only: int | None = None
) -> int:
    """Send what is owed and due on every channel; return how many messages were taken.

    With `only` (a callback's own incident) nothing is sent where a storm is already telling:
    the next look of the watch sends it, together with the others.
    """
    sent = 0
    for channel in channels:
        if only is not None and _is_busy(connection, channel):
            continue
        try:
            for phase in ("opened", "recovered"):
                while _send_next(connection, channel, place, phase, only):
                    sent += 1
        except DeliveryError as error:
            _log.warning("%s is tried again later: %s", channel.name, error)
    return sent


def send_without_table(
    incident: Incident, channels: Sequence[Channel], place: Deployment
) -> list[str]:
    """Tell every channel once, without the table; return the names of those that took it."""
    notice = notice_of(IncidentRecord(incident), place, None, is_tabled=False)
    return [channel.name for channel in channels if _is_taken(channel, notice)]


def count_unreported(connection: Connection) -> int:
    """Return how many open incidents are owed to somebody and have reached nobody."""
    row = connection.execute(
        """
        select count(*) from (
            select incident_id from ops.deliveries inner join ops.incidents using (incident_id)
            where phase = 'opened' and closed_at is null
            group by incident_id having count(sent_at) = 0
        ) as unheard
        """
    ).fetchone()
    return row[0] if row else 0


def failing_channels(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Return the channels that have refused a message twice, with the latest error."""
    rows = connection.execute(
        """
        select distinct on (channel) channel, last_error from ops.deliveries
        where sent_at is null and attempts > 1 and channel = any(%s)
        order by channel, next_try_at desc
        """,
        [list(names)],
    )
    return {channel: error or "" for channel, error in rows}


def _is_taken(channel: Channel, notice: Notice) -> bool:
    try:
        channel.send(notice)
    except DeliveryError as error:
        _log.warning("%s: %s", channel.name, error)
        return False
    return True


def _send_next(
    connection: Connection, channel: Channel, place: Deployment, phase: str, only: int | None
) -> bool:
    """Send one message; return whether one was due. Raises DeliveryError after noting it."""
    failure: DeliveryError | None = None
    with connection.transaction():
        due = _claim(connection, channel.name, phase, only)
        if not due:
            return False
        told = due if len(due) > STORM else due[:1]
        found = read_incidents(connection, numbers=told)
        if phase == "opened":  # what is over by now is told first as it began
            found = [replace(one, closed_at=None) for one in found]
        as_of = last_published_at(connection)
        many = len(found) > 1
        notice = digest_of(found, place, as_of) if many else notice_of(found[0], place, as_of)
        try:
            channel.send(notice)
        except DeliveryError as error:
            failure = error
            _note_failure(connection, channel.name, phase, told, error)
        else:
            reach("alerts.sent")
            _mark(connection, channel.name, phase, told)
            _log.info("told %s: %s", channel.name, notice.subject)
    if failure:
        raise failure
    return True


def _claim(connection: Connection, channel: str, phase: str, only: int | None) -> list[int]:
    """Lock and return the incidents whose message is due; an end is told after its beginning."""
    rows = connection.execute(
        """
        select owed.incident_id
        from ops.deliveries as owed inner join ops.incidents using (incident_id)
        where owed.channel = %(channel)s and owed.phase = %(phase)s and owed.sent_at is null
            and owed.next_try_at <= clock_timestamp()
            and (%(only)s::bigint is null or owed.incident_id = %(only)s)
            and not exists (
                select from ops.silences
                where silences.fingerprint = incidents.fingerprint
                    and silences.until_at > clock_timestamp()
            )
            and (owed.phase = 'opened' or exists (
                select from ops.deliveries as begun
                where begun.incident_id = owed.incident_id and begun.channel = owed.channel
                    and begun.phase = 'opened' and begun.sent_at is not null
            ))
        order by owed.incident_id
        for update of owed skip locked
        """,
        {"channel": channel, "phase": phase, "only": only},
    )
    return [row[0] for row in rows]


def _mark(connection: Connection, channel: str, phase: str, told: list[int]) -> None:
    connection.execute(
        """
        update ops.deliveries
        set attempts = attempts + 1, last_error = null, sent_at = clock_timestamp()
        where channel = %s and phase = %s and incident_id = any(%s)
        """,
        [channel, phase, told],
    )


def _note_failure(
    connection: Connection, channel: str, phase: str, told: list[int], error: DeliveryError
) -> None:
    """Put the next attempt off: exponentially, and for as long as the channel asks."""
    connection.execute(
        """
        update ops.deliveries
        set attempts = attempts + 1, last_error = %s,
            next_try_at = clock_timestamp() + make_interval(secs => greatest(
                %s::float8, least(%s::float8, %s * power(2, least(attempts, 10)))
            ))
        where channel = %s and phase = %s and incident_id = any(%s)
        """,
        [str(error), error.retry_after, _LONGEST_DELAY, _FIRST_DELAY, channel, phase, told],
    )


def _is_busy(connection: Connection, channel: Channel) -> bool:
    row = connection.execute(
        "select count(*) >= %s from ops.deliveries"
        " where channel = %s and sent_at > clock_timestamp() - interval '1 minute'",
        [STORM, channel.name],
    ).fetchone()
    return bool(row and row[0])
