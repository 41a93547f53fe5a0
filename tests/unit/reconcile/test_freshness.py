"""The late days, as a pure function of the time and the landed days."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from scripts.reconcile import freshness
from scripts.reconcile.freshness import deadline_of, late_days
from scripts.settings import RunSettings
from sources.declaration import Window
from sources.jsonplaceholder import API, POSTS
from tests import orders

pytestmark = pytest.mark.unit

_SETTINGS = RunSettings(late_days=3, landing_deadline_hours=6)
_LANDED = {("posts", date(2026, 1, day)) for day in (1, 8)}
_FIRST = {"posts": date(2026, 1, 1)}


def _late(now: datetime) -> list[int]:
    return [day.day for _, day in late_days(_LANDED, _FIRST, _SETTINGS, now)]


@pytest.mark.parametrize(
    ("now", "late"),
    [
        (datetime(2026, 1, 9, 5, 59, tzinfo=UTC), [6, 7]),
        (datetime(2026, 1, 9, 6, 0, tzinfo=UTC), [7, 9]),
        (datetime(2026, 1, 9, 0, 30, tzinfo=timezone(timedelta(hours=-8))), [7, 9]),
    ],
)
def test_a_day_is_late_from_its_deadline_on_wherever_the_clock_hangs(
    now: datetime, late: list[int]
) -> None:
    assert _late(now) == late


def test_nothing_is_owed_before_the_first_landing() -> None:
    assert _late(datetime(2026, 1, 3, 12, tzinfo=UTC)) == [2, 3]
    assert late_days(set(), {}, _SETTINGS, datetime(2026, 1, 3, tzinfo=UTC)) == []


def test_a_run_for_an_older_day_owes_no_day_before_the_first_landing() -> None:
    """On the 8th, someone fetched the 1st."""
    first = {"posts": date(2026, 1, 8)}
    late = [
        [
            day.day
            for _, day in late_days(
                _LANDED, first, _SETTINGS, datetime(2026, 1, day, 7, tzinfo=UTC)
            )
        ]
        for day in (8, 9)
    ]
    assert late == [[], [9]]


@pytest.fixture
def weekly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts come on Mondays, and are due two days later."""
    api = replace(API, schedule="0 18 * * 1")
    posts = replace(POSTS, api=api, deadline_hours=48)
    monkeypatch.setattr(freshness, "SOURCES", {"posts": posts})


@pytest.mark.usefixtures("weekly")
def test_a_source_has_its_own_schedule_and_deadline() -> None:
    """The 5th and the 12th of January 2026 are Mondays."""
    settings = RunSettings(late_days=14, landing_deadline_hours=6)
    landed = {("posts", date(2026, 1, 1))}
    late = [
        late_days(landed, _FIRST, settings, datetime(2026, 1, day, 1, tzinfo=UTC))
        for day in (6, 7, 14)
    ]
    monday, next_monday = ("posts", date(2026, 1, 5)), ("posts", date(2026, 1, 12))
    assert late == [[], [monday], [monday, next_monday]]
    assert deadline_of("posts", monday[1], settings) == datetime(2026, 1, 7, tzinfo=UTC)


def _windows(monkeypatch: pytest.MonkeyPatch, schedule: str | None, **options: Any) -> None:
    api = replace(API, schedule=schedule)
    posts = replace(POSTS, api=api, day=Window("from", "to", **options))
    monkeypatch.setattr(freshness, "SOURCES", {"posts": posts})


def test_a_window_is_due_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    _windows(monkeypatch, None)
    assert _late(datetime(2026, 1, 10, 5, 59, tzinfo=UTC)) == [6, 7]
    assert _late(datetime(2026, 1, 10, 6, tzinfo=UTC)) == [7, 9]
    _windows(monkeypatch, None, timezone="America/New_York")
    assert _late(datetime(2026, 1, 10, 10, 59, tzinfo=UTC)) == [6, 7]
    assert _late(datetime(2026, 1, 10, 11, tzinfo=UTC)) == [7, 9]


def test_a_weekly_run_that_looks_back_owes_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run of Monday the 12th lands the week from the 5th on."""
    settings, week = RunSettings(late_days=14, landing_deadline_hours=6), range(5, 12)
    monday = datetime(2026, 1, 12, 5, 59, tzinfo=UTC)
    _windows(monkeypatch, "0 0 * * 1", lookback_days=6)
    landed = {("posts", date(2026, 1, day)) for day in range(1, 5)}
    assert late_days(landed, _FIRST, settings, monday) == []
    late = late_days(landed, _FIRST, settings, monday + timedelta(minutes=1))
    assert [day.day for _, day in late] == list(week)
    _windows(monkeypatch, "0 0 * * 1")
    late = late_days(landed, _FIRST, settings, monday + timedelta(minutes=1))
    assert [day.day for _, day in late] == [11], "the other days have no run"
    assert deadline_of("posts", date(2026, 1, 8), settings) is None


def test_a_child_is_due_like_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    api = replace(orders.API, schedule="0 0 * * 1-5")
    parent = replace(orders.ORDERS, api=api, day=Window("from", "to", lookback_days=1))
    child = replace(orders.EVENTS, api=api, parent=replace(orders.PARENT, source=parent))
    late = replace(child, name="late", deadline_hours=30)
    declared = {source.name: source for source in (parent, child, late)}
    monkeypatch.setattr(freshness, "SOURCES", declared)
    for day in (date(2026, 1, n) for n in range(1, 15)):
        due = deadline_of("orders", day, _SETTINGS)
        assert deadline_of("events", day, _SETTINGS) == due
        if due:
            assert deadline_of("late", day, _SETTINGS) == due + timedelta(hours=24)
    first = dict.fromkeys(declared, date(2026, 1, 1))
    now = datetime(2026, 1, 8, 7, tzinfo=UTC)
    late_now = late_days(set(), first, _SETTINGS, now)
    assert [day for source, day in late_now if source == "events"] == [
        day for source, day in late_now if source == "orders"
    ]
