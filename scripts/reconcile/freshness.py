"""What counts as late, overdue, stale or too many. Invariant: pure, and each rule exists once.

The watch and the health page use the same rules, so they never disagree.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta

from croniter import croniter

from scripts.settings import RunSettings
from sources import SOURCES


def deadline_hours(source: str, settings: RunSettings) -> float:
    """Return how many hours after its midnight UTC a day of a source is late."""
    declared = SOURCES[source].deadline_hours
    return settings.landing_deadline_hours if declared is None else declared


def deadline_of(source: str, day: date, settings: RunSettings) -> datetime:
    """Return the deadline of a day of a source."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=deadline_hours(source, settings))


def is_scheduled(source: str, day: date) -> bool:
    """Return whether the schedule of a source's API has a run on a day. Without one, every day."""
    schedule = SOURCES[source].api.schedule
    if schedule is None:
        return True
    midnight = datetime.combine(day, time(), UTC)
    following = croniter(schedule, midnight - timedelta(microseconds=1)).get_next(datetime)
    return bool(following < midnight + timedelta(days=1))


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
    for source in SOURCES:
        due = (now.astimezone(UTC) - timedelta(hours=deadline_hours(source, settings))).date()
        first = first_days.get(source, due)
        for back in range(settings.late_days):
            day = due - timedelta(days=back)
            if day > first and (source, day) not in known and is_scheduled(source, day):
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
