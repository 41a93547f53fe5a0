"""A day is asked for by its bounds, written as the API reads them, and a wrong one is refused."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from sources.declaration import Changes, Snapshot, Source, Window
from sources.declaration.declaration_error import DeclarationError
from tests.unit.sources.declaration.test_source import API, declare

pytestmark = pytest.mark.unit

DAY = date(2026, 1, 31)


def asked(window: Window, day: date = DAY) -> dict[str, str]:
    return window.params(window.bounds(day))


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ({}, "2026-01-31", "2026-02-01"),
        ({"is_end_inclusive": True}, "2026-01-31", "2026-01-31"),
        ({"format": "%Y-%m-%dT%H:%M:%SZ"}, "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"),
        (
            {"format": "%Y-%m-%dT%H:%M:%S.%f", "is_end_inclusive": True},
            "2026-01-31T00:00:00.000000",
            "2026-01-31T23:59:59.999999",
        ),
        ({"format": "epoch"}, "1769817600", "1769904000"),
        ({"format": "epoch", "is_end_inclusive": True}, "1769817600", "1769903999"),
        ({"format": "epoch_ms", "is_end_inclusive": True}, "1769817600000", "1769903999999"),
        ({"format": "%d.%m.%Y"}, "31.01.2026", "01.02.2026"),
        (
            {"format": "%Y-%m-%dT%H:%M:%S%z", "timezone": "Europe/Berlin"},
            "2026-01-31T00:00:00+0100",
            "2026-02-01T00:00:00+0100",
        ),
        (
            {"format": "%Y-%m-%dT%H:%M:%SZ", "timezone": "Europe/Berlin"},
            "2026-01-30T23:00:00Z",
            "2026-01-31T23:00:00Z",
        ),
    ],
    ids=str,
)
def test_the_bounds_of_a_day_are_written_as_declared(
    options: dict[str, Any], start: str, end: str
) -> None:
    assert asked(Window("a", "b", **options)) == {"a": start, "b": end}


def test_days_meet_without_a_gap_where_the_clock_is_changed() -> None:
    """In 2026 the 29th of March has 23 hours in Berlin."""
    window = Window("a", "b", "epoch", timezone="Europe/Berlin")
    days = [asked(window, date(2026, 3, day)) for day in (28, 29, 30)]
    assert [day["b"] for day in days[:2]] == [day["a"] for day in days[1:]]
    assert int(days[1]["b"]) - int(days[1]["a"]) == 23 * 3600


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("UTC", datetime(2026, 2, 1, tzinfo=UTC), DAY),
        ("UTC", datetime(2026, 1, 31, 23, 59, tzinfo=UTC), date(2026, 1, 30)),
        ("America/New_York", datetime(2026, 2, 1, tzinfo=UTC), date(2026, 1, 30)),
        ("America/New_York", datetime(2026, 2, 1, 5, tzinfo=UTC), DAY),
        ("Asia/Tokyo", datetime(2026, 1, 31, 15, tzinfo=UTC), DAY),
    ],
)
def test_a_run_lands_the_day_that_has_ended(zone: str, moment: datetime, day: date) -> None:
    window = Window("a", "b", timezone=zone)
    assert window.last_day(moment) == day
    assert window.ends_at(day) <= moment < window.ends_at(date.fromordinal(day.toordinal() + 1))


def test_a_snapshot_is_of_the_day_on_which_it_is_asked_for() -> None:
    moment = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    assert Snapshot().last_day(moment) == DAY
    assert Snapshot().ends_at(DAY) == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("/events", "/events"),
        ("/{window.start:%Y/%m/%d}.json", "/2026/01/31.json"),
        ("{window.start}/{window.end}", "2026-01-31/2026-02-01"),
        ("{window.start:epoch}", 1769817600),
        ("at {window.start:epoch}", "at 1769817600"),
        ("query{orders{id}}", "query{orders{id}}"),
    ],
)
def test_placeholders_are_filled_in_any_text(text: str, filled: str | int) -> None:
    window = Window()
    assert window.filled(text, window.bounds(DAY)) == filled


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"day": Window("from", "to")}, ["end", "start"]),
        ({"day": Window("date")}, ["start"]),
        ({"day": Window(), "path": "/{window.start}"}, ["start"]),
        ({"day": Window(), "params": {"q": "{window.start}..{window.end}"}}, ["end", "start"]),
        (
            {
                "day": Window(),
                "method": "POST",
                "json": {"a": [{"b": "{window.start:epoch}"}], "q": "query{a{b}}"},
            },
            ["start"],
        ),
        ({"day": Window(), "path": "/{window.start:%Y}/{window.start:%m/%d}"}, ["start"]),
        ({"day": Changes("since")}, ["start"]),
        ({"day": Changes()}, []),
        ({"day": Snapshot()}, []),
    ],
    ids=str,
)
def test_it_is_known_which_bounds_a_request_names(
    changes: dict[str, Any], named: list[str]
) -> None:
    source: Source = declare(**changes)
    assert sorted(source.bounds) == named


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"day": Window}, "^day: expected Window"),
        ({"day": Window()}, "^day: the request does not name the day"),
        ({"day": Window(end_param="to")}, "^day: the request does not name the day"),
        ({"day": Window("a"), "api": replace(API, params={"a": "1"})}, "^day: params also has 'a'"),
        ({"day": Window("a"), "params": {"a": "1"}}, "^day: params also has 'a'"),
        ({"day": Window("a", format="%Y-%m")}, "^day.format: the requests of two days"),
        ({"day": Window("a", format="day")}, "^day.format: the requests of two days"),
        ({"day": Window(), "path": "/{window.start:%H}"}, "^day.format: the requests of two days"),
        ({"day": Window(), "path": "/{window.begin}"}, r"^path: expected \{window.start\}"),
        ({"day": Window(), "path": "/{day}"}, r"^path: .*got \{day\}"),
        (
            {"day": Window("a"), "method": "POST", "json": {"x": ["{next_day}"]}},
            r"^json.x: .*got \{next_day\}",
        ),
        ({"path": "/{window.start}"}, r"^path: \{window.start\} needs day=Window"),
        ({"day": Changes("a"), "key": None}, "^key: day=Changes"),
    ],
    ids=str,
)
def test_a_day_that_cannot_be_asked_for_is_refused_by_field(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(DeclarationError, match=says):
        declare(**changes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"end_param": "a"}, "^day: both bounds"),
        ({"timezone": "Berlin"}, "^day.timezone: "),
        ({"timezone": "../etc"}, "^day.timezone: "),
        ({"lookback_days": -1}, "^day.lookback_days: "),
        ({"lookback_days": 1.5}, "^day.lookback_days: "),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        Window("a", **options)


def test_in_a_url_a_plus_is_no_space_and_a_folder_stays_one() -> None:
    berlin = Window(timezone="Europe/Berlin", format="%Y-%m-%dT%H:%M:%S%z")
    url = "https://a.example/{window.start:%Y/%m/%d}?since={window.start}&to={window.end:%d %b}"
    filled = "https://a.example/2026/01/31?since=2026-01-31T00:00:00%2B0100&to=01%20Feb"
    assert berlin.filled_url(url, berlin.bounds(DAY)) == filled


def test_of_changes_of_one_key_the_last_one_counts() -> None:
    assert declare(day=Changes("since")).on_duplicate == "last"
    assert declare(day=Changes("since"), on_duplicate="reject").on_duplicate == "reject"
    assert declare(day=Window("a", "b")).on_duplicate == "reject"
    assert declare().on_duplicate == "reject"
