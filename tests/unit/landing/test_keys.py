"""`raw_key` and `parse_raw_key` are inverse functions, and no other text is accepted as a key."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import InvalidInputError
from scripts.landing.keys import (
    FIRST_DAY,
    checked_day,
    parse_day,
    parse_raw_key,
    raw_key,
    raw_prefix,
    today,
)

pytestmark = pytest.mark.unit
_DAYS = st.dates(FIRST_DAY, today() + timedelta(days=1))
_IMPOSSIBLE = [
    date.min,
    date(1969, 12, 31),
    today() + timedelta(days=2),
    date(2062, 1, 31),
    date.max,
]
_sources = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)


@given(_sources, _DAYS)
def test_a_key_is_read_back_as_what_it_was_made_of(source: str, day: date) -> None:
    key = raw_key(source, day)
    assert parse_raw_key(key) == (source, day)
    assert key.startswith(raw_prefix(source))


@given(_sources, st.dates(), st.dates())
def test_keys_sort_as_their_days_do(source: str, one: date, other: date) -> None:
    assert (raw_key(source, one) < raw_key(source, other)) == (one < other)


@given(st.text(max_size=40) | st.from_regex(r"raw/[a-z/]*/[0-9-]{8,12}\.json.?"))
def test_a_key_that_is_read_is_a_key_that_is_written(text: str) -> None:
    found = parse_raw_key(text)
    assert found is None or raw_key(*found) == text


@pytest.mark.parametrize(
    "key",
    [
        "raw/posts/2026-02-30.json",
        "raw/posts/2026-1-01.json",
        "raw/Posts/2026-01-01.json",
        "raw/posts/2026-01-01.json.gz",
        "/raw/posts/2026-01-01.json",
        "raw/posts/2026-01-01.json\n",
        "raw/a/b/2026-01-01.json",
        "raw/posts/٢٠٢٦-01-01.json",
        "",
    ],
)
def test_the_key_of_an_unknown_object_is_none(key: str) -> None:
    assert parse_raw_key(key) is None


@given(_DAYS)
def test_a_day_is_read_as_it_is_written(day: date) -> None:
    assert parse_day(day.isoformat()) == day


@pytest.mark.parametrize("text", ["", "today", "20260101", "2026-02-30", "2026-1-1", "2026-01-01 "])
def test_what_is_no_day_is_refused_and_shown(text: str) -> None:
    with pytest.raises(InvalidInputError, match="YYYY-MM-DD") as caught:
        parse_day(text)
    assert repr(text) in str(caught.value)


def test_a_day_begins_at_midnight_utc() -> None:
    east = timezone(timedelta(hours=14))
    assert today(lambda: datetime(2026, 1, 2, 3, 0, tzinfo=east)) == date(2026, 1, 1)
    assert today(lambda: datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)) == date(2026, 1, 1)


@pytest.mark.parametrize("day", _IMPOSSIBLE)
def test_a_day_that_cannot_be_is_refused_wherever_a_day_comes_in(day: date) -> None:
    assert parse_raw_key(raw_key("posts", day)) is None
    with pytest.raises(InvalidInputError, match="from 1970-01-01 to tomorrow"):
        parse_day(day.isoformat())
    with pytest.raises(InvalidInputError, match="from 1970-01-01 to tomorrow"):
        checked_day(day)


def test_tomorrow_is_a_day_because_a_producer_may_live_in_the_east() -> None:
    tomorrow = today() + timedelta(days=1)
    assert parse_raw_key(raw_key("posts", tomorrow)) == ("posts", tomorrow)
