"""A windowed source on the real stack: an honest backfill, then days with late and corrected data.

The truth is what the API knows when it is asked: the earthquakes of each day, generated from the
seed of the stack, with the corrections and without those that it has not learned of yet.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from local.sample_earthquakes import Earthquakes
from local.stand_in_api import EARTHQUAKES as PATH
from sources.earthquakes import EARTHQUAKES
from tests.stack import LocalStack, now, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

_SEED = 7  # of the stack
_FIRST, _END = date(2025, 11, 1), date(2025, 12, 3)
_DAYS = [_FIRST + timedelta(days=n) for n in range(30)]
_ASKED_BY_A_RUN = EARTHQUAKES.day.lookback_days + 1


@pytest.fixture(autouse=True)
def _api_behaves_again(stack: LocalStack) -> Iterator[None]:
    yield
    stack.switch()


def _requests(stack: LocalStack) -> list[str]:
    """Return the day of each request for earthquakes of this test's days, as it was asked for."""
    asked = [one["query"] for one in stack.api("/_requests") if one["path"] == PATH]
    days = [query["starttime"][:10] for query in asked]
    for query in asked:
        assert query["endtime"] == f"{query['starttime'][:10]}T23:59:59.999999"
    return [day for day in days if _FIRST <= date.fromisoformat(day) <= _END]


def _days(stack: LocalStack) -> list[tuple[Any, ...]]:
    found = stack.marts(
        "select day, earthquakes, strongest, average_magnitude from marts.fct_earthquake_days"
        " order by 1"
    )
    return [row for row in found if _FIRST <= row[0] <= _END]


def _rows(stack: LocalStack) -> list[tuple[Any, ...]]:
    """Return every valid row with its time in milliseconds."""
    return stack.query(
        "select day, id, (properties ->> 'time')::bigint,"
        " (properties ->> 'mag')::float8"
        " from raw.earthquakes where day between %s and %s order by 1, 3, 2",
        _FIRST,
        _END,
    )


def _expected(truth: dict[date, list[dict[str, Any]]]) -> tuple[list[Any], list[Any]]:
    days, rows = [], []
    for day, found in sorted(truth.items()):
        sizes = [Decimal(str(one["properties"]["mag"])) for one in found]
        average = (sum(sizes, Decimal()) / len(sizes)).quantize(Decimal("0.01"), ROUND_HALF_UP)
        days.append((day, len(found), max(sizes), average))
        facts = [(one["properties"]["time"], one["id"], one["properties"]["mag"]) for one in found]
        rows += [(day, name, time, mag) for time, name, mag in sorted(facts)]
    return days, rows


def _run_after(stack: LocalStack, day: date) -> None:
    """Run the ingest as the schedule does at the midnight that ends a day."""
    midnight = datetime.combine(day + timedelta(days=1), time(), UTC).isoformat()
    done = stack.command(
        *("airflow", "dags", "trigger", "ingest_earthquakes"),
        *("--logical-date", midnight, "--run-id", f"after_{day}"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert stack.finished("ingest_earthquakes", f"after_{day}") == "success"


def _arrives(stack: LocalStack, truth: dict[date, list[dict[str, Any]]], seconds: float) -> None:
    """Wait for the days of the marts to equal the truth. Then every row does."""
    days, rows = _expected(truth)
    wait_for(lambda: _days(stack), days.__eq__, seconds)
    assert _rows(stack) == rows


def test_thirty_days_are_asked_for_one_by_one_and_late_data_arrives_without_anyone(
    stack: LocalStack,
) -> None:
    first, second, third = (date(2025, 12, day) for day in (1, 2, 3))
    late, later, gone, corrected = (
        Earthquakes(_SEED).of_day(day)[place]["id"]
        for day, place in ((_DAYS[-1], 1), (first, 0), (first, 1), (_DAYS[-2], 2))
    )
    stack.switch(unknown=[late, later])
    started = now()

    done = stack.run_readme(
        "airflow backfill create --dag-id ingest_earthquakes"
        " --from-date 2025-11-02 --to-date 2025-12-01"
    )

    assert done.returncode == 0, done.stderr[-2000:]
    truth = {day: Earthquakes(_SEED, unknown=[late, later]).of_day(day) for day in _DAYS}
    _arrives(stack, truth, 600)
    assert sorted(_requests(stack)) == [day.isoformat() for day in _DAYS]
    transforms = stack.transforms_settled(started)
    assert len(transforms) <= len(_DAYS) / 2, "many days are one run"

    _run_after(stack, first)  # asks for the 1st, and back to the 28th
    truth[first] = Earthquakes(_SEED, unknown=[later]).of_day(first)
    _arrives(stack, truth, 120)

    fixes = {corrected: {"mag": 8.1}}
    stack.switch(unknown=[later], corrected=fixes)
    _run_after(stack, second)  # two days after the late one happened
    known = Earthquakes(_SEED, fixes, [later])
    truth |= {day: known.of_day(day) for day in (*truth, second)}
    assert late in {one["id"] for one in truth[_DAYS[-1]]}
    _arrives(stack, truth, 120)

    stack.switch(unknown=[gone], corrected=fixes)  # one is known now, and another one was none
    _run_after(stack, third)
    known = Earthquakes(_SEED, fixes, [gone])
    truth |= {day: known.of_day(day) for day in (*truth, third)}
    _arrives(stack, truth, 120)

    assert len(_requests(stack)) == len(_DAYS) + 3 * _ASKED_BY_A_RUN
    [(versions,)] = stack.query(
        "select count(*) from ops.loads where source = 'earthquakes' and state = 'loaded'"
        " and day between %s and %s",
        _FIRST,
        _END,
    )
    assert versions == len(_DAYS) + 3 + 3, "only what differs was loaded again"


def test_a_day_that_has_not_ended_is_refused_and_asks_nothing(stack: LocalStack) -> None:
    asked = len(stack.api("/_requests"))
    today = {"day": now().date().isoformat()}
    _, state = stack.run_by_hand("ingest_earthquakes", today)
    assert state == "failed"
    assert len(stack.api("/_requests")) == asked
    yesterday = {"day": (now().date() - timedelta(days=1)).isoformat()}
    assert stack.run_by_hand("ingest_earthquakes", yesterday)[1] == "success"
