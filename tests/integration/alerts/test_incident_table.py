"""The tables of incidents: one open incident per cause, and its messages are recorded with it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from scripts.alerts import incident_table
from scripts.alerts.incident import Incident, Kind
from scripts.alerts.incident_table import UnrecordedAlert
from scripts.errors import UnavailableError
from tests.inbox import Inbox

pytestmark = pytest.mark.integration

_LATE = Incident(Kind.DAY_LATE, "posts", date(2026, 1, 2), {"Due": "noon"}, {"Log": "http://a"})
_BOTH = ["slack", "mail"]
_PENDING = "select channel, phase, sent_at is null from ops.deliveries order by phase, channel"


def test_a_cause_has_one_open_incident_and_one_message_per_channel(inbox: Inbox) -> None:
    with incident_table.connected(inbox.dsn) as connection:
        number = incident_table.record_sighting(connection, _LATE, _BOTH)
        assert incident_table.record_sighting(connection, _LATE, _BOTH, is_again=True) == number
        assert incident_table.record_sighting(connection, _LATE, _BOTH) == number
        [record] = incident_table.read_incidents(connection, only_open=True)
    assert (record.incident, record.incident_id, record.seen) == (_LATE, number, 2)
    assert inbox.query(_PENDING) == [("mail", "opened", True), ("slack", "opened", True)]


def test_a_closed_cause_can_open_again(inbox: Inbox) -> None:
    with incident_table.connected(inbox.dsn) as connection:
        first = incident_table.record_sighting(connection, _LATE, ["slack"])
        assert incident_table.close_incident(connection, _LATE.fingerprint) == first
        assert incident_table.close_incident(connection, _LATE.fingerprint) is None
        second = incident_table.record_sighting(connection, _LATE, [])
        records = incident_table.read_incidents(connection)
        assert [record.incident_id for record in records] == [first, second]
        assert incident_table.read_incidents(connection, limit=1) == records[1:]
        assert incident_table.read_incidents(connection, ids=[first]) == records[:1]
        assert incident_table.read_incidents(connection, only_open=True) == records[1:]
    assert inbox.query(_PENDING) == [("slack", "opened", True), ("slack", "recovered", True)]


def test_a_silenced_cause_is_recorded_without_messages(inbox: Inbox) -> None:
    with incident_table.connected(inbox.dsn) as connection:
        later = datetime.now(UTC) + timedelta(hours=1)
        incident_table.silence(connection, _LATE.fingerprint, later, "https://tickets.example/1")
        number = incident_table.record_sighting(connection, _LATE, _BOTH)
        assert incident_table.close_incident(connection, _LATE.fingerprint) == number
    assert inbox.query(_PENDING) == []


def test_an_alert_that_was_sent_without_the_table_is_pending_only_where_it_failed(
    inbox: Inbox,
) -> None:
    opened = datetime(2026, 1, 2, 12, tzinfo=UTC)
    with incident_table.connected(inbox.dsn) as connection:
        incident_table.record_sighting(connection, _LATE, _BOTH)
        incident_table.record_earlier(connection, UnrecordedAlert(_LATE, opened, ["slack"]))
        [record] = incident_table.read_incidents(connection)
    assert record.opened_at == opened
    assert inbox.query(_PENDING) == [("mail", "opened", True), ("slack", "opened", False)]


def test_a_database_error_is_unavailable_and_shows_no_content(inbox: Inbox) -> None:
    def read_text() -> None:
        with incident_table.connected(inbox.dsn) as connection:
            connection.execute("select 'pl4nted'::int")

    with pytest.raises(UnavailableError, match="InvalidTextRepresentation") as caught:
        read_text()
    assert "pl4nted" not in str(caught.value)
