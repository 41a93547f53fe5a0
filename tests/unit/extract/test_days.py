"""A run asks for days that have ended, and an answer that came too late for its day is marked."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from scripts.errors import InvalidInputError
from scripts.extract.days import as_of, check_has_ended, days_of_run, now_utc
from sources.declaration import Changes, Snapshot, Window
from tests.unit.sources.declaration.test_source import declare

pytestmark = pytest.mark.unit

MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)
YESTERDAY, TODAY = date(2026, 1, 31), date(2026, 2, 1)


@pytest.mark.parametrize(
    ("day", "looks_back", "days"),
    [
        (Snapshot(), True, [TODAY]),
        (Window("a", "b"), True, [YESTERDAY]),
        (Window("a", "b", lookback_days=2), True, [31, 30, 29]),
        (Window("a", "b", lookback_days=2), False, [YESTERDAY]),
        (Changes("a", lookback_days=1), True, [31, 30]),
    ],
    ids=str,
)
def test_a_run_asks_for_its_day_and_for_those_it_looks_back_to(
    day: Any, looks_back: bool, days: list[Any]
) -> None:
    expected = [date(2026, 1, one) if isinstance(one, int) else one for one in days]
    assert days_of_run(declare(day=day), MIDNIGHT, looks_back=looks_back) == expected


def test_a_run_for_an_impossible_day_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="1970"):
        days_of_run(declare(), datetime(1969, 12, 31, tzinfo=UTC), looks_back=True)


def test_a_window_that_has_not_ended_is_not_asked_for() -> None:
    window = declare(day=Window("a", "b"))
    check_has_ended(window, YESTERDAY, MIDNIGHT)
    check_has_ended(declare(), TODAY, MIDNIGHT)
    with pytest.raises(InvalidInputError, match=r"2026-02-01 has not ended.* is 2026-01-31"):
        check_has_ended(window, TODAY, MIDNIGHT + timedelta(hours=23))


@pytest.mark.parametrize(
    ("day", "of", "is_marked"),
    [
        (Snapshot(), TODAY, False),
        (Snapshot(), YESTERDAY, True),
        (Window("a", "b"), date(2025, 1, 1), False),
        (Window("a"), date(2025, 1, 1), False),
        (Changes("a", "b"), date(2025, 1, 1), False),
        (Changes("a"), YESTERDAY, False),
        (Changes("a"), date(2026, 1, 30), True),
        (Changes(), date(2026, 1, 30), True),
    ],
    ids=str,
)
def test_what_is_asked_for_later_without_an_end_is_marked(
    day: Any, of: date, is_marked: bool
) -> None:
    asked_at = MIDNIGHT + timedelta(hours=1)
    assert as_of(declare(day=day), of, asked_at) == (asked_at if is_marked else None)


def test_the_clock_has_a_time_zone() -> None:
    assert now_utc().tzinfo is UTC
