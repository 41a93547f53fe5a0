"""An incident: its cause, its texts without secrets, and its duration."""

from datetime import UTC, date, datetime, timedelta

import pytest

from scripts.alerts.incident import FailedTest, Incident, IncidentRecord, Kind, no_answer
from scripts.errors import UnavailableError

pytestmark = pytest.mark.unit

_DAY = date(2026, 1, 2)
_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("kind", [Kind.RUN_FAILED, Kind.RUN_TIMED_OUT, Kind.DBT_TEST_FAILED])
def test_the_three_ways_a_run_fails_are_one_cause(kind: Kind) -> None:
    assert Incident(kind, "d", _DAY).fingerprint == "d/run-failed/2026-01-02"


def test_a_cause_without_a_day() -> None:
    assert Incident(Kind.MARTS_STALE, "marts").fingerprint == "marts/marts-stale"


def test_texts_of_any_origin_are_one_line_without_secrets() -> None:
    incident = Incident.new(
        Kind.RUN_FAILED,
        "ingest\nposts",
        facts={"Error": "password=pl4nted1\nsecond line"},
        links={"Log": "http://airflow/a b<c>?token=pl4nted1"},
    )
    assert incident.subject == "ingest posts"
    assert incident.facts == {"Error": "password=*** second line"}
    assert not {" ", "<", ">"} & set(incident.links["Log"])
    assert "pl4nted" not in str(incident)


def test_a_component_that_does_not_answer() -> None:
    incident = no_answer("warehouse", UnavailableError("refused"))
    assert incident.fingerprint == "warehouse/no-answer"
    assert incident.facts == {"Error": "UnavailableError: refused"}


def test_a_record_is_read_from_its_row() -> None:
    row = {
        "incident_id": 7,
        "kind": "day-late",
        "subject": "posts",
        "day": _DAY,
        "details": '{"facts": {"Due": "noon"}, "links": {}}',
        "opened_at": _NOON,
        "closed_at": _NOON + timedelta(seconds=90, milliseconds=400),
        "seen": 3,
    }
    record = IncidentRecord.of_row(row)
    assert record.incident == Incident(Kind.DAY_LATE, "posts", _DAY, {"Due": "noon"})
    assert (record.incident_id, record.seen) == (7, 3)
    assert record.lasted == timedelta(seconds=90)
    assert IncidentRecord.of_row(row | {"closed_at": None}).lasted == timedelta(0)


def test_a_failed_test_is_one_line() -> None:
    assert FailedTest("unique", 2).line() == "unique found 2"
    assert FailedTest("unique", 2, ("id=1", "id=2")).line() == "unique found 2: id=1; id=2"
