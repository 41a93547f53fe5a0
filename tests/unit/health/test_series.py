"""The strip and the plots: one entry per day, and the first landing of a day decides its state."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from scripts.health.facts import Cell, Health
from tests.unit.health.pictures import NOW, TODAY, changed, health, past, seen

pytestmark = pytest.mark.unit


def _cells(found: Health, source: str = "users") -> list[Cell]:
    [strip] = [one for one in found.on_time if one.source == source]
    return strip.cells


def test_a_day_by_its_deadline_late_refused_missing_or_before_the_first() -> None:
    loads = [load for load in past() if load.day >= TODAY - timedelta(days=20)]
    deadline = datetime.combine(TODAY - timedelta(days=5), time(6), UTC)
    loads = changed(loads, "users", 5, landed_at=deadline)
    loads = changed(loads, "users", 6, landed_at=deadline + timedelta(days=-1, seconds=1))
    loads = changed(loads, "users", 7, gone=True)
    loads = changed(loads, "users", 8, state="parked", reason="no JSON", published_at=None)
    found = health(seen(loads))

    cells = dict(zip(found.days, _cells(found), strict=True))
    assert [cells[TODAY - timedelta(days=back)] for back in (5, 6, 7, 8, 20, 21)] == [
        Cell.ON_TIME,
        Cell.LATE,
        Cell.MISSING,
        Cell.PARKED,
        Cell.ON_TIME,
        Cell.BEFORE,
    ]
    [strip] = [one for one in found.on_time if one.source == "users"]
    assert (strip.on_time, strip.due) == (18, 21)


@pytest.mark.parametrize(("hour", "cell"), [(5, Cell.PENDING), (6, Cell.MISSING)])
def test_today_is_pending_until_its_deadline(hour: int, cell: Cell) -> None:
    now = NOW.replace(hour=hour)
    found = health(seen(changed(past(now), "users", 0, gone=True)), now)
    assert _cells(found)[-1] is cell
    assert [need.kind for need in found.needs] == (["day-late"] if cell is Cell.MISSING else [])


def test_a_rerun_does_not_make_a_day_late() -> None:
    loads = past()
    [first] = [load for load in loads if (load.source, load.day) == ("users", TODAY)]
    loads = changed(loads, "users", 0, is_current=False)
    again = replace(first, landed_at=NOW, loaded_at=NOW, published_at=NOW)
    assert _cells(health(seen([*loads, again])))[-1] is Cell.ON_TIME


def test_a_day_that_was_asked_for_too_late_says_so() -> None:
    found = health(seen(changed(past(), "users", 3, as_of=NOW)))
    marked = {one.source: one.as_of for one in found.on_time if one.as_of}
    assert marked == {"users": {TODAY - timedelta(days=3): TODAY}}
    assert _cells(found)[-4] is Cell.ON_TIME


def test_every_series_has_the_days_of_the_axis() -> None:
    found = health(seen(changed(past(), "users", 3, gone=True)))
    assert (found.days[0], found.days[-1]) == (TODAY - timedelta(days=29), TODAY)
    plots = found.plots
    assert {len(rows) for rows in plots.rows.values()} == {30}
    assert len(plots.lag_seconds) == len(plots.rejects) == len(plots.load_seconds) == 30
    assert plots.rows["users"][-4] is None
    assert plots.lag_goal_seconds == 3600


def test_the_lag_is_that_of_the_slowest_source_and_none_before_it_is_published() -> None:
    landed = datetime.combine(TODAY - timedelta(days=1), time(1), UTC)
    slow = changed(past(), "users", 1, landed_at=landed, published_at=landed + timedelta(hours=2))
    assert health(seen(slow)).plots.lag_seconds[-2] == 7200
    loads = [replace(load, published_at=None) if load.day == TODAY else load for load in past()]
    assert health(seen(loads)).plots.lag_seconds[-1] is None
