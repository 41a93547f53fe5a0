"""The 30-day strip and the plots. Invariant: pure. Every series has one entry for each day."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from scripts.health.facts import Cell, OnTime, Plots
from scripts.health.queries import HealthData, Load
from scripts.reconcile.freshness import deadline_of
from scripts.settings import RunSettings
from sources import SOURCES


def on_time(
    data: HealthData, days: Sequence[date], settings: RunSettings, now: datetime
) -> list[OnTime]:
    """Return the outcome of each day, for each source. A day before its first day can be rerun."""
    first = {one.source: one.first_day for one in data.sources}
    attempts: dict[tuple[str, date], list[Load]] = defaultdict(list)
    for load in data.loads:
        attempts[load.source, load.day].append(load)
    strips = []
    for source in SOURCES:
        cells = [
            Cell.BEFORE
            if not attempts[source, day] and (source not in first or day <= first[source])
            else _cell(attempts[source, day], deadline_of(source, day, settings), now)
            for day in days
        ]
        due = sum(cell not in {Cell.BEFORE, Cell.PENDING} for cell in cells)
        as_of = {
            load.day: load.as_of.astimezone(UTC).date()
            for day in days
            for load in attempts[source, day]
            if load.is_current and load.as_of
        }
        strips.append(OnTime(source, cells, cells.count(Cell.ON_TIME), due, as_of))
    return strips


def _cell(attempts: Sequence[Load], deadline: datetime | None, now: datetime) -> Cell:
    """Return the outcome of a day. Its first landing decides: a rerun does not make it late.

    A day without a deadline is one that no scheduled run lands.
    """
    if not attempts:
        return Cell.MISSING if deadline and now >= deadline else Cell.PENDING
    if not any(load.is_current for load in attempts):
        return Cell.PARKED
    landed_at = min(load.landed_at for load in attempts)
    return Cell.LATE if deadline and landed_at > deadline else Cell.ON_TIME


def plots(data: HealthData, days: Sequence[date], settings: RunSettings) -> Plots:
    """Return the series of the current loads."""
    current = [load for load in data.loads if load.is_current]
    loaded = {(load.source, load.day): load.loaded for load in current}
    by_day: dict[date, list[Load]] = defaultdict(list)
    for load in current:
        by_day[load.day].append(load)
    daily = [by_day[day] for day in days]
    return Plots(
        rows={source: [loaded.get((source, day)) for day in days] for source in SOURCES},
        lag_seconds=[_slowest(loads) for loads in daily],
        lag_goal_seconds=settings.unpublished_minutes * 60,
        rejects=[sum(load.rejected for load in loads) if loads else None for loads in daily],
        load_seconds=[sum(load.seconds for load in loads) if loads else None for loads in daily],
    )


def _slowest(loads: Iterable[Load]) -> float | None:
    lags = [
        (load.published_at - load.landed_at).total_seconds() for load in loads if load.published_at
    ]
    return max(lags, default=None)
