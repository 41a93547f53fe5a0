"""The figures: each is compared with its reference value at the same hour of the day."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from scripts.alerts.incident import Incident, Kind
from scripts.health.facts import State
from tests.health import Load
from tests.unit.health.pictures import NOW, TODAY, changed, health, opened, past, seen, tile

pytestmark = pytest.mark.unit

_WEEK = timedelta(days=7)


def _at(back_weeks: int, hour: int, source: str = "posts", received: int = 100) -> Load:
    day = TODAY - back_weeks * _WEEK
    moment = datetime.combine(day, time(hour), UTC)
    return Load(source, day, moment, received, loaded_at=moment, published_at=moment)


def test_todays_rows_are_held_against_the_median_of_the_same_weekday() -> None:
    loads = [_at(weeks, 1, received=100 * weeks) for weeks in (1, 2, 3)] + [_at(0, 1, received=210)]
    other = [replace(_at(1, 1, received=9000), day=TODAY - timedelta(days=1))]
    rows = tile(health(seen([*loads, *other])), "rows")
    assert (rows.value, rows.state) == ("210", State.GREEN)
    assert rows.note == "Wednesdays by 12:00 UTC: median 200"


@pytest.mark.parametrize(("hour", "median"), [(9, 100), (12, 100), (15, 600)])
def test_a_part_of_a_day_is_held_against_the_same_part_of_the_others(
    hour: int, median: int
) -> None:
    """Comments arrive at 13:00 each day, so they are not missing at noon."""
    loads = []
    for weeks in (1, 2, 3):
        loads += [_at(weeks, 1), _at(weeks, 13, "comments", 500)]
    loads.append(_at(0, 1))
    rows = tile(health(seen(loads), NOW.replace(hour=hour)), "rows")
    assert f"median {median}" in rows.note
    assert rows.state is (State.GREEN if median == 100 else State.AMBER)


@pytest.mark.parametrize(("received", "state"), [(49, "amber"), (50, "green"), (201, "amber")])
def test_rows_far_from_the_usual_deserve_a_look(received: int, state: str) -> None:
    loads = [_at(weeks, 1) for weeks in (1, 2, 3)] + [_at(0, 1, received=received)]
    assert tile(health(seen(loads)), "rows").state == state


def test_without_a_same_weekday_nothing_is_compared_and_the_verdict_does_not_suffer() -> None:
    found = health(seen([load for load in past() if load.day > TODAY - _WEEK]))
    assert tile(found, "rows").state is State.GREY
    assert found.state is State.GREEN


def test_a_backfilled_day_knows_no_time_of_day() -> None:
    backfilled = [replace(_at(weeks, 1), loaded_at=NOW - timedelta(hours=1)) for weeks in (1, 2)]
    rows = tile(health(seen([*backfilled, _at(0, 1)])), "rows")
    assert rows.state is State.GREY


def test_a_rerun_counts_as_of_its_hour() -> None:
    """Last week's day was reloaded in the evening with more rows. The rows at noon count."""
    first = replace(_at(1, 1), is_current=False)
    again = _at(1, 20, received=900)
    rows = tile(health(seen([first, again, _at(0, 1)])), "rows")
    assert "median 100" in rows.note


@pytest.mark.parametrize(("rejected", "state"), [(5, "green"), (6, "amber")])
def test_rejects_over_the_budget_of_a_day_are_a_warning(rejected: int, state: str) -> None:
    loads = changed(past(), "comments", 2, received=500, rejected=rejected)
    found = health(seen(loads))
    rejects = tile(found, "rejects")
    assert (rejects.state, found.state) == (state, state)
    assert "budget 1.0%" in rejects.note
    if state == "amber":
        assert [need.fingerprint for need in found.needs] == ["comments/many-rejects/2026-03-16"]


def test_the_last_load_grows_old() -> None:
    found = health(seen(past()), NOW + timedelta(hours=36))
    assert tile(found, "last-load").state is State.AMBER
    assert tile(found, "last-load").value == "48 h ago"


def test_a_storm_is_counted_whole() -> None:
    late = opened(Incident(Kind.RUN_FAILED, "ingest_posts"))
    found = health(seen(past(), incidents=[late], open_count=70))
    assert tile(found, "incidents").value == "70"
    assert found.needs_more == 69


def test_unreported_causes_are_counted_separately() -> None:
    incidents = tile(health(seen(changed(past(), "users", 3, gone=True))), "incidents")
    assert (incidents.value, incidents.note) == ("0", "1 not reported yet")
    assert incidents.state is State.RED
