"""What counts as late, overdue, stale or too many. Invariant: pure, and each rule exists once.

The watch and the health page use the same rules, so they never disagree.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from scripts.settings import RunSettings
from sources import SOURCES


def deadline_of(day: date, settings: RunSettings) -> datetime:
    """Return the deadline of a day: some hours after its midnight UTC."""
    return datetime.combine(day, time(), UTC) + timedelta(hours=settings.landing_deadline_hours)


def late_days(
    landed: Collection[tuple[str, date]], settings: RunSettings, now: datetime
) -> list[tuple[str, date]]:
    """Return each (source name, day) of the last `late_days` days that is due and has not landed.

    Days before the first landed day of a source are never late.
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
    """Return the moment before which a load must be published by now."""
    return now - timedelta(minutes=settings.unpublished_minutes)


def is_stale(published_at: datetime, settings: RunSettings, now: datetime) -> bool:
    """Return whether the last publication is too old."""
    return now - published_at > timedelta(hours=settings.marts_stale_hours)


def has_many_rejects(received: int, rejected: int, settings: RunSettings) -> bool:
    """Return whether a load has so many rejected records that a warning is due."""
    return rejected > 0 and rejected > received * settings.reject_warning_share
