"""Which days a run asks an API for. Invariant: a day that is asked for by its bounds has ended."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from scripts.errors import InvalidInputError
from scripts.landing.keys import checked_day
from sources import Source


def days_of_run(source: Source, moment: datetime, *, looks_back: bool) -> list[date]:
    """Return the days that a run at a moment asks for, the latest first.

    Args:
        source: its `day` says which day that is, and how many earlier ones are asked for again.
        moment: when the run was due, time-zone aware.
        looks_back: whether to ask for earlier days again. A backfill has a run for each of them.

    Raises:
        InvalidInputError: the day is before the first possible one.
    """
    last = checked_day(source.day.last_day(moment))
    back = source.day.lookback_days if looks_back else 0
    return [last - timedelta(days=days) for days in range(back + 1)]


def check_has_ended(source: Source, day: date, now: datetime) -> None:
    """Raise InvalidInputError if a day is asked for by its bounds, and has not ended."""
    if source.day.kind != "snapshot" and now < source.day.ends_at(day):
        raise InvalidInputError(
            f"{day} has not ended, and the days of {source.name} are asked for when they have. "
            f"The latest one is {source.day.last_day(now)}"
        )


def as_of(source: Source, day: date, now: datetime) -> datetime | None:
    """Return `now` if an answer tells how things are now, not on its day. Else None.

    A snapshot of another day is such an answer, and changes that are asked for without an end,
    later than in the run for that day. So is the list of a parent, unless its request has an end.
    """
    is_own_window = source.day.kind == "window" and source.parent is None
    is_bounded = is_own_window or "end" in source.bounds
    return None if is_bounded or day == source.day.last_day(now) else now


def now_utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


Clock = Callable[[], datetime]
