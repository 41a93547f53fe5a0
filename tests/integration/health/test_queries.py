"""The health of a seeded warehouse, read as role reader."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from scripts.alerts import incident_table
from scripts.alerts.incident import Incident, Kind
from scripts.errors import UnavailableError
from scripts.health import queries
from scripts.health.facts import Cell, Health, State
from scripts.health.verdict import read_health
from scripts.settings import Deployment, RunSettings
from tests import health as ledger
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_NOON = datetime(2026, 3, 18, 12, tzinfo=UTC)


def _look(warehouse: Warehouse, now: datetime = _NOON) -> Health:
    return read_health(warehouse.reader, RunSettings(), Deployment(environment="test"), now)


@pytest.mark.parametrize("hour", [0, 3, 12, 23])
@pytest.mark.parametrize("state", ["green", "amber", "red", "grey"])
def test_each_state_is_seen_as_what_it_is_at_any_hour(
    warehouse: Warehouse, state: ledger.State, hour: int
) -> None:
    now = _NOON.replace(hour=hour, minute=1)
    ledger.seed(warehouse.loader, state, now)
    health = _look(warehouse, now)
    assert health.state == state, health.reasons


def test_what_the_ledger_shows_to_be_wrong(warehouse: Warehouse) -> None:
    ledger.seed(warehouse.loader, "red", _NOON)
    found = _look(warehouse)
    assert [(need.fingerprint, need.since is None) for need in found.needs] == [
        ("transform_posts/run-failed", False),
        ("posts/object-parked/2026-03-16", True),
        ("users/day-late/2026-03-15", True),
        ("comments/many-rejects/2026-03-17", False),
    ]
    parked = found.needs[1]
    assert parked.facts == {"Reason": "12 of 100 records break the contract, more than 10 %"}
    assert parked.run_id == ledger.RUN
    cells = {strip.source: strip.cells for strip in found.on_time}
    assert (cells["posts"][-3], cells["users"][-4]) == (Cell.PARKED, Cell.MISSING)
    assert cells["comments"][-10] is Cell.LATE
    assert found.plots.rows["posts"][-3] is None
    assert found.plots.rejects[-2] == 40


def test_a_parked_object_is_over_when_its_day_is_loaded(warehouse: Warehouse) -> None:
    parked = ledger.Load("posts", _NOON.date(), _NOON, state="parked", reason="no JSON")
    with psycopg.connect(warehouse.loader) as connection:
        ledger.insert(connection, [*ledger.history(_NOON), parked])
    assert [need.kind for need in _look(warehouse).needs] == ["object-parked"]
    # An older load of the day is still current, so the day is not missing.
    [posts] = [strip for strip in _look(warehouse).on_time if strip.source == "posts"]
    assert posts.cells[-1] is Cell.ON_TIME
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute("update ops.loads set is_current = false where day = %s", [_NOON.date()])
        ledger.insert(connection, [one for one in ledger.history(_NOON) if one.day == _NOON.date()])
    assert _look(warehouse).state is State.GREEN


def test_of_a_storm_the_errors_are_shown_and_all_are_counted(warehouse: Warehouse) -> None:
    ledger.seed(warehouse.loader, "green", _NOON)
    error = Incident(Kind.RUN_FAILED, "ingest_posts")
    with psycopg.connect(warehouse.loader) as connection:
        for number in range(queries.MOST_INCIDENTS + 5):
            unusual = Incident(Kind.VOLUME_UNUSUAL, f"source {number}")
            ledger.open_incident(connection, unusual, _NOON)
        ledger.open_incident(connection, error, _NOON)
    found = _look(warehouse)
    assert found.state is State.RED
    assert found.needs[0].fingerprint == error.fingerprint
    assert len(found.needs) + found.needs_more == queries.MOST_INCIDENTS + 6


def test_silences_and_owed_messages_are_seen(warehouse: Warehouse) -> None:
    ledger.seed(warehouse.loader, "red", _NOON)
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute(
            """
            insert into ops.silences (fingerprint, until_at, ticket) values
                ('transform_posts/run-failed', now() + interval '1 hour', 'https://t.example'),
                ('comments/many-rejects/2026-03-17', now() - interval '1 hour', 'https://t.example')
            """
        )
        connection.execute(
            """
            insert into ops.deliveries (incident_id, channel, phase, attempts)
            select incident_id, 'slack', 'opened', 2 from ops.incidents
            """
        )
    found = _look(warehouse)
    silent = {need.fingerprint for need in found.needs if need.silent_until}
    assert silent == {"transform_posts/run-failed"}
    assert found.waiting == ["slack: 2 pending messages after 2 attempts, will be retried"]


def test_a_closed_incident_is_over(warehouse: Warehouse) -> None:
    ledger.seed(warehouse.loader, "green", _NOON)
    with psycopg.connect(warehouse.loader) as connection:
        ledger.open_incident(connection, ledger.incidents(_NOON)[0], _NOON)
        assert _state_of(connection, warehouse) is State.RED
        connection.execute("update ops.incidents set closed_at = now()")
        assert _state_of(connection, warehouse) is State.GREEN


def _state_of(connection: psycopg.Connection[Any], warehouse: Warehouse) -> State:
    connection.commit()
    return _look(warehouse).state


def test_a_look_that_takes_too_long_is_given_up(warehouse: Warehouse) -> None:
    """Another session locks the ledger, as a migration does. The page must not hang."""
    with psycopg.connect(warehouse.loader) as holder:
        holder.execute("lock table ops.loads in access exclusive mode")
        with pytest.raises(UnavailableError, match="in time"):
            _look(warehouse)


def test_a_server_that_has_stopped_is_hung_up_on(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own timeouts need a running server. This statement ignores them too."""
    monkeypatch.setattr(queries, "SECONDS", 0.1)
    with psycopg.connect(warehouse.reader) as connection:
        with pytest.raises(UnavailableError, match="in time"), queries.limited_in_time(connection):
            connection.execute("select pg_sleep(60)")
        assert connection.broken


def test_secrets_in_what_an_incident_says_are_masked_when_it_is_created(
    warehouse: Warehouse,
) -> None:
    """The table never holds them, so no reader has to look for them again."""
    ledger.seed(warehouse.loader, "green", _NOON)
    incident = Incident.new(Kind.RUN_FAILED, "x", None, {"Error": "password=pl4nted1"})
    with incident_table.connected(warehouse.loader) as connection:
        incident_table.record_sighting(connection, incident, [])
        stored = connection.execute("select incidents::text from ops.incidents").fetchall()
    assert "pl4nted1" not in str(stored)
    [need] = _look(warehouse).needs
    assert need.facts == {"Error": "password=***"}
