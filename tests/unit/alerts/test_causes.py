"""From current problems and open incidents to the changes. The functions are pure."""

from datetime import date

import pytest

from scripts.alerts.causes import plan
from scripts.alerts.incident import Incident, IncidentRecord, Kind

pytestmark = pytest.mark.unit

_DAY = date(2026, 1, 2)
_LATE = Incident(Kind.DAY_LATE, "posts", _DAY)
_STALE = Incident(Kind.MARTS_STALE, "marts")
_UNPUBLISHED = Incident(Kind.LOAD_UNPUBLISHED, "loads")
_TRANSFORM = Incident(Kind.RUN_FAILED, "transform_posts")
_INGEST = Incident(Kind.RUN_FAILED, "ingest_posts", _DAY)


def _open(*incidents: Incident) -> list[IncidentRecord]:
    return [IncidentRecord(one, number) for number, one in enumerate(incidents, 1)]


def test_what_is_wrong_is_seen_and_what_is_over_is_closed() -> None:
    to_do = plan([_LATE], _open(_STALE), set(Kind))
    assert (to_do.to_record, to_do.to_close) == ([_LATE], [_STALE.fingerprint])


def test_nothing_is_closed_that_could_not_be_looked_at() -> None:
    assert plan([], _open(_STALE, _LATE), {Kind.DAY_LATE}).to_close == [_LATE.fingerprint]


def test_a_failed_run_is_over_when_a_run_has_succeeded_and_not_when_it_is_forgotten() -> None:
    assert plan([], _open(_TRANSFORM), set(Kind)).to_close == []
    done = plan([], _open(_TRANSFORM), set(Kind), {_TRANSFORM.fingerprint})
    assert done.to_close == [_TRANSFORM.fingerprint]


@pytest.mark.parametrize(
    ("cause", "consequence"),
    [
        (_TRANSFORM, _UNPUBLISHED),
        (_TRANSFORM, _STALE),
        (_LATE, _STALE),
        (_INGEST, _LATE),
        (Incident(Kind.NO_ANSWER, "landing zone"), _STALE),
    ],
)
def test_a_consequence_is_no_second_cause(cause: Incident, consequence: Incident) -> None:
    assert plan([consequence], _open(cause), set()).to_record == []
    assert plan([consequence, cause], [], set()).to_record == [cause]


@pytest.mark.parametrize(
    ("cause", "other"),
    [
        (_INGEST, Incident(Kind.DAY_LATE, "posts", date(2026, 1, 3))),
        (_INGEST, _UNPUBLISHED),
        (_STALE, _LATE),
        (_TRANSFORM, _INGEST),
    ],
)
def test_another_cause_is_reported(cause: Incident, other: Incident) -> None:
    assert plan([other], _open(cause), set()).to_record == [other]


def test_a_consequence_that_is_open_stays_open_until_it_is_over() -> None:
    to_do = plan([_STALE, _TRANSFORM], _open(_STALE), set(Kind))
    assert to_do.to_record == [_STALE, _TRANSFORM]
    assert to_do.to_close == []
