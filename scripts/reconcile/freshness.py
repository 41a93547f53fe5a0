"""What counts as late, overdue, stale or too many. Invariant: pure; each rule stands here, once.

The watch tells by these rules and the health page shows by them, so that the two never disagree.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from scripts.settings import RunSettings
from sources import SOURCES


def deadline_of(day: date, settings: RunSettings) -> datetime:
    """Return until when a day must have landed: some hours after its midnight UTC."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=settings.landing_deadline_hours)


def late_days(
    landed: Collection[tuple[str, date]], settings: RunSettings, now: datetime
) -> list[tuple[str, date]]:
    """Return the (source name, day) that are due and absent, of the last `late_days` days.

    A source owes nothing for days before the first that it ever landed.
    """
    due = (now.astimezone(UTC) - timedelta(hours=settings.landing_deadline_hours)).date()
    known = set(landed)
    late = []
    for source in SOURCES:
        days = [day for name, day in known if name == source]
        for back in range(settings.late_days if days else 0):
            day = due - timedelta(days=back)
            if day > min(days) and (source, day) not in known:
                late.append((source, day))
    return sorted(late)


def overdue_before(settings: RunSettings, now: datetime) -> datetime:
    """Return the moment before which a load must have come to be published by now."""
    return now - timedelta(minutes=settings.unpublished_minutes)


def is_stale(published_at: datetime, settings: RunSettings, now: datetime) -> bool:
    """Return whether what was last published at a moment is too old."""
    return now - published_at > timedelta(hours=settings.marts_stale_hours)


def has_many_rejects(received: int, rejected: int, settings: RunSettings) -> bool:
    """Return whether a load's rejected records are worth a warning."""
    return rejected > 0 and rejected > received * settings.reject_warning_share
