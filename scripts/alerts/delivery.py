"""Send pending messages. Invariant: at-least-once. Only a crash between send and mark repeats one.

The row of a message is locked while it is sent, so only one process sends it. A channel that fails
is retried later and does not block the others. Many pending messages become one with their number.
Callbacks send their own incident (the fast path), and `monitor` sends the rest (the safe path).
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from scripts.alerts import incident_table
from scripts.alerts.channels import Channel, DeliveryError, MessageRefusedError
from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.incident_table import Connection, read_incidents
from scripts.alerts.messages import Notice, digest_of, notice_of
from scripts.errors import UnavailableError
from scripts.killpoints import reach
from scripts.settings import Deployment
from scripts.warehouse.ledger import last_published_at

STORM = 5  # more messages than this at a time, or within a minute, are sent as one
_log = logging.getLogger(__name__)


def report_failure(
    dsn: str, incident: Incident, channels: Sequence[Channel], place: Deployment, *, is_again: bool
) -> None:
    """Record the incident, and send it to the channels that have not received it yet."""
    names = [channel.name for channel in channels]
    try:
        with incident_table.connected(dsn) as connection:
            number = incident_table.record_sighting(connection, incident, names, is_again=is_again)
            deliver(connection, channels, place, only=number)
    except UnavailableError as error:
        _log.warning("cannot record the incident, so it may be sent twice: %s", error)
        send_without_table(incident, channels, place)


def report_recovery(
    dsn: str,
    fingerprint: str,
    channels: Sequence[Channel],
    place: Deployment,
    ended_at: datetime | None = None,
) -> None:
    """Close the open incident of a cause, if there is one, and send the recovery message.

    `ended_at` is when the successful run ended. A failure after it is not closed.
    """
    with incident_table.connected(dsn) as connection:
        number = incident_table.close_incident(connection, fingerprint, ended_at)
        if number is not None:
            deliver(connection, channels, place, only=number)


def send_without_table(
    incident: Incident, channels: Sequence[Channel], place: Deployment
) -> list[str]:
    """Make one attempt per channel without the table. Return the channels that accepted."""
    notice = notice_of(IncidentRecord(incident), place, None)
    errors = {channel.name: try_to_send(channel, notice) for channel in channels}
    for name, error in errors.items():
        if error:
            _log.warning("%s did not accept the message: %s", name, error)
    return [name for name, error in errors.items() if not error]


def try_to_send(channel: Channel, notice: Notice) -> DeliveryError | None:
    """Send a message. Return the error if the channel did not accept it."""
    try:
        channel.send(notice)
    except DeliveryError as error:
        return error
    return None


def deliver(
    connection: Connection, channels: Sequence[Channel], place: Deployment, only: int | None = None
) -> int:
    """Send the pending messages that are due. Return how many messages the channels accepted.

    With `only` (the incident of a callback), nothing is sent to a channel that has received many
    messages in the last minute. The next run of the watch combines the rest into one message.
    """
    sent = 0
    for channel in channels:
        try:
            for phase in ("opened", "recovered"):
                while (is_sent := _send_next(connection, channel, place, phase, only)) is not None:
                    sent += is_sent
        except DeliveryError as error:
            _log.warning("%s did not accept a message. It will be retried: %s", channel.name, error)
    return sent


def count_unreported(connection: Connection) -> int:
    """Return how many open incidents no channel has accepted yet."""
    rows = connection.execute(
        """
        select incident_id
        from ops.incidents inner join ops.deliveries using (incident_id)
        where closed_at is null and phase = 'opened'
        group by incident_id having count(sent_at) = 0
        """
    )
    return rows.rowcount


def failing_channels(connection: Connection, channels: Sequence[Channel]) -> list[Incident]:
    """Return an incident for each channel that has refused a message twice, or one for good.

    A message that was refused for good is no problem any more when its incident is closed.
    """
    rows = connection.execute(
        """
        select distinct on (channel) channel, coalesce(last_error, '')
        from ops.deliveries inner join ops.incidents using (incident_id)
        where sent_at is null and channel = any(%s) and case
            when next_try_at = 'infinity' then closed_at is null
            else attempts > 1
        end
        order by channel, next_try_at
        """,
        [[channel.name for channel in channels]],
    )
    return [Incident.new(Kind.DELIVERY_FAILED, name, facts={"Error": text}) for name, text in rows]


def _send_next(
    connection: Connection, channel: Channel, place: Deployment, phase: str, only: int | None
) -> bool | None:
    """Send one message. Return whether the channel accepted it, or None if none is due.

    A message that is refused for good steps aside. Any other DeliveryError is raised.
    """
    with connection.transaction():
        due = _claim(connection, channel.name, phase, only)
        if not due:
            return None
        is_storm = len(due) > STORM
        ids = due if is_storm else due[:1]
        found = read_incidents(connection, ids=ids)
        if phase == "opened":  # an incident can recover before its first message is sent
            found = [replace(record, closed_at=None) for record in found]
        as_of = last_published_at(connection)
        single = partial(notice_of, found[0], place, as_of)
        error = try_to_send(channel, digest_of(found, place, as_of) if is_storm else single())
        if is_storm and isinstance(error, MessageRefusedError):
            ids, error = due[:1], try_to_send(channel, single())  # one of many may spoil the digest
        if not error:
            reach("alerts.sent")
            _log.info("sent to %s: incidents %s", channel.name, ids)
        _record_attempt(connection, channel.name, phase, ids, error)
    if error and not isinstance(error, MessageRefusedError):
        raise error
    return error is None


def _claim(connection: Connection, channel: str, phase: str, only: int | None) -> list[int]:
    """Lock and return the incidents whose message is due. A recovery follows its first message."""
    rows = connection.execute(
        """
        select pending.incident_id
        from ops.deliveries as pending inner join ops.incidents using (incident_id)
        where pending.channel = %(channel)s and pending.phase = %(phase)s
            and pending.sent_at is null and pending.next_try_at <= clock_timestamp()
            and not exists (
                select from ops.deliveries
                where channel = %(channel)s and channel_paused_until > clock_timestamp()
            )
            and (%(only)s::bigint is null or (pending.incident_id = %(only)s and (
                select count(*) < %(storm)s from ops.deliveries
                where channel = %(channel)s and sent_at > clock_timestamp() - interval '1 minute'
            )))
            and not exists (
                select from ops.silences
                where silences.fingerprint = incidents.fingerprint
                    and silences.until_at > clock_timestamp()
            )
            and (pending.phase = 'opened' or exists (
                select from ops.deliveries as first
                where first.incident_id = pending.incident_id and first.channel = pending.channel
                    and first.phase = 'opened' and first.sent_at is not null
            ))
        order by pending.incident_id
        for update of pending skip locked
        """,
        {"channel": channel, "phase": phase, "only": only, "storm": STORM},
    )
    return [row[0] for row in rows]


def _record_attempt(
    connection: Connection, channel: str, phase: str, ids: list[int], error: DeliveryError | None
) -> None:
    """Mark messages as sent or, after an error, delay their retry: exponentially, or as asked.

    A message that was refused for good is not tried again. `failing_channels` reports it.
    """
    text, retry_after = (str(error), error.retry_after) if error else (None, 0)
    is_refused = isinstance(error, MessageRefusedError)
    # At most 45 seconds, which is less than a minute, so that every run of the watch retries.
    connection.execute(
        """
        update ops.deliveries
        set attempts = attempts + 1, last_error = %s,
            sent_at = case when %s::text is null then clock_timestamp() end,
            next_try_at = case when %s then 'infinity' else clock_timestamp() + make_interval(
                secs => greatest(%s::float8, least(45, 5 * 2 ^ least(attempts, 4)))
            ) end,
            channel_paused_until = clock_timestamp() + make_interval(secs => nullif(%s::float8, 0))
        where channel = %s and phase = %s and incident_id = any(%s)
        """,
        [text, text, is_refused, retry_after, retry_after, channel, phase, ids],
    )
