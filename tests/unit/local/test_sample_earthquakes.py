"""The generated earthquakes: same seed, same records, and what the API does not know yet."""

from datetime import UTC, date, datetime, timedelta

import pytest

from local.sample_earthquakes import Earthquakes

pytestmark = pytest.mark.unit

DAY = date(2026, 1, 31)
START = datetime(2026, 1, 31, tzinfo=UTC)
LAST = START + timedelta(days=1) - timedelta(microseconds=1)


def test_a_day_has_its_own_earthquakes_up_to_its_last_millisecond() -> None:
    found = Earthquakes(1).of_day(DAY)
    times = [one["properties"]["time"] for one in found]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (1769817600000, 1769903999999)
    assert Earthquakes(1).between(START, LAST) == found
    assert len({one["id"] for one in found}) == len(found) >= 3


def test_days_do_not_overlap_and_leave_nothing_out() -> None:
    every = Earthquakes(1)
    days = [every.of_day(DAY + timedelta(days=back)) for back in range(3)]
    assert every.between(START, LAST + timedelta(days=2)) == [one for day in days for one in day]
    assert Earthquakes(1).of_day(DAY) != Earthquakes(2).of_day(DAY)


def test_an_earthquake_is_learned_of_late_and_corrected() -> None:
    first, second, *_ = Earthquakes(1).of_day(DAY)
    known = Earthquakes(1, {second["id"]: {"mag": 7.5}}, [first["id"]]).of_day(DAY)
    assert known[0] == {**second, "properties": {**second["properties"], "mag": 7.5}}
    assert Earthquakes(1).between(START, LAST, least=9) == []
