"""What counts as late, overdue, stale or too many. Invariant: pure, and each rule exists once.

The watch and the health page use the same rules, so they never disagree.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

from croniter import croniter

from scripts.settings import RunSettings
from sources import SOURCES


def deadline_of(source: str, day: date, settings: RunSettings) -> datetime | None:
    """Return when a day of a source is late, or None if no scheduled run lands it.

    A day lands in the first run after it can be asked for, or in one that looks back to it.
    """
    begin = SOURCES[source].day.ends_at(day)
    for _ in range(SOURCES[source].day.lookback_days + 1):
        if _has_run(source, begin):
            return begin + timedelta(hours=_deadline_hours(source, settings))
        begin += timedelta(days=1)
    return None


def _deadline_hours(source: str, settings: RunSettings) -> float:
    declared = SOURCES[source].deadline_hours
    return settings.landing_deadline_hours if declared is None else declared


def _has_run(source: str, begin: datetime) -> bool:
    """Return whether a source has a run in the 24 hours from `begin` on."""
    schedule = SOURCES[source].api.schedule
    if schedule is None:
        return True
    following = croniter(schedule, begin - timedelta(microseconds=1)).get_next(datetime)
    return bool(following < begin + timedelta(days=1))


def late_days(
    landed: Collection[tuple[str, date]],
    first_days: Mapping[str, date],
    settings: RunSettings,
    now: datetime,
) -> list[tuple[str, date]]:
    """Return each (source name, day) of the last `late_days` days that is due and has not landed.

    `first_days` are the days on which the sources began to land. No day up to it is late, also if
    older days have landed: someone fetched them later. Days on which the schedule of a source has
    no run are not late, either.
    """
    known = set(landed)
    late = []
    for source, declared in SOURCES.items():
        due = declared.day.last_day(now - timedelta(hours=_deadline_hours(source, settings)))
        first = first_days.get(source, due)
        for back in range(settings.late_days):
            day = due - timedelta(days=back)
            if day <= first or (source, day) in known:
                continue
            deadline = deadline_of(source, day, settings)
            if deadline and deadline <= now:
                late.append((source, day))
    return sorted(late)


def overdue_before(settings: RunSettings, now: datetime) -> datetime:
    """Return the moment before which a load must be published by now."""
    return now - timedelta(minutes=settings.unpublished_minutes)


def is_stale(published_at: datetime, settings: RunSettings, now: datetime) -> bool:
    """Return whether the last publication is too old."""
    return now - published_at > timedelta(hours=settings.marts_stale_hours)


def has_many_rejects(received: int, rejected: int, settings: RunSettings) -> bool:
    """Return whether a load has so many rejected records that a warning is due."""
    return rejected > 0 and rejected > received * settings.reject_warning_share
