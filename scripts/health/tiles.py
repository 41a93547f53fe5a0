"""The figures at the top. Invariant: pure. A figure without a reference is grey and says why."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from statistics import median

from scripts.health.facts import Mart, Need, State, Tile, worst
from scripts.health.queries import WEEKS, HealthData, Load
from scripts.reconcile.freshness import has_many_rejects, is_stale
from scripts.settings import RunSettings

_USUAL = (0.5, 2.0)  # of the median: other counts are amber. The watch tests the volume separately
_REJECT_DAYS = 7


def tiles(
    data: HealthData, marts: list[Mart], needs: list[Need], settings: RunSettings, now: datetime
) -> list[Tile]:
    """Return the figures in display order."""
    return [
        _fresh(marts),
        _last_load(data, settings, now),
        _rows(data.loads, now),
        _rejects(data.loads, settings, now),
        _incidents(data, needs),
    ]


def _fresh(marts: list[Mart]) -> Tile:
    fresh = sum(mart.state in {State.GREEN, State.AMBER} for mart in marts)
    state = worst(mart.state for mart in marts)
    note = f"{marts[0].word}: {marts[0].name}" if marts else "dbt's manifest contains no marts"
    if state is State.GREEN:
        note = "all marts"
    return Tile("marts", "Marts fresh", f"{fresh} of {len(marts)}", note, state)


def _last_load(data: HealthData, settings: RunSettings, now: datetime) -> Tile:
    """Return the age of the latest load. Amber if it is older than the marts may be."""
    latest = max((one.loaded_at for one in data.sources if one.loaded_at), default=None)
    if latest is None:
        return Tile("last-load", "Last load", "never", "nothing has been loaded", State.GREY)
    age = now - latest
    state = State.AMBER if is_stale(latest, settings, now) else State.GREEN
    note = f"{latest.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Tile("last-load", "Last load", f"{duration(age.total_seconds())} ago", note, state)


def _rows(loads: Iterable[Load], now: datetime) -> Tile:
    """Compare today's rows with the same weekday of earlier weeks, at the same time of day."""
    today = now.astimezone(UTC).date()
    time_of_day = now - _midnight(today)
    by_day: dict[date, list[Load]] = defaultdict(list)
    for load in loads:
        if load.day.weekday() == today.weekday() and load.state == "loaded":
            by_day[load.day].append(load)
    rows = _as_of(by_day.pop(today, []), now)
    # A day that was loaded after its end, as in a backfill, has no usable time of day.
    usual = [
        _as_of(found, _midnight(day) + time_of_day)
        for day, found in by_day.items()
        if min(load.loaded_at for load in found) < _midnight(day) + timedelta(days=1)
    ]
    title = "Rows today"
    if not usual:
        note = f"no {today:%A} in the last {WEEKS} weeks to compare with"
        return Tile("rows", title, f"{rows:,}", note, State.GREY)
    middle = median(usual)
    note = f"{today:%A}s by {now.astimezone(UTC):%H:%M} UTC: median {middle:,.0f}"
    is_usual = _USUAL[0] * middle <= rows <= _USUAL[1] * middle
    return Tile("rows", title, f"{rows:,}", note, State.GREEN if is_usual else State.AMBER)


def _as_of(loads: Iterable[Load], moment: datetime) -> int:
    """Return the rows of a day at a moment, from the latest load of each source."""
    latest = {load.source: load.loaded for load in loads if load.loaded_at <= moment}
    return sum(latest.values())


def _rejects(loads: Iterable[Load], settings: RunSettings, now: datetime) -> Tile:
    since = now.astimezone(UTC).date() - timedelta(days=_REJECT_DAYS)
    recent = [load for load in loads if load.is_current and load.day > since]
    received = sum(load.received for load in recent)
    rejected = sum(load.rejected for load in recent)
    title, budget = f"Rejects, {_REJECT_DAYS} days", f"{settings.reject_warning_share:.1%}"
    if not received:
        return Tile("rejects", title, "none", f"nothing received; budget {budget}", State.GREY)
    over = [load for load in recent if has_many_rejects(load.received, load.rejected, settings)]
    note = f"{rejected:,} of {received:,}; budget {budget}"
    if over:
        days = "day is" if len(over) == 1 else "days are"
        note += f", {len(over)} {days} over budget"
    state = State.AMBER if over else State.GREEN
    return Tile("rejects", title, f"{rejected / received:.2%}", note, state)


def _incidents(data: HealthData, needs: list[Need]) -> Tile:
    title = "Open incidents"
    if not data.sources and not data.incidents:
        return Tile("incidents", title, "0", "nothing has been loaded", State.GREY)
    count = data.open_count
    state = worst(need.state for need in needs) if needs else State.GREEN
    more = len(needs) - len(data.incidents)
    note = f"{more} not reported yet" if more else "see below" if count else "no action required"
    return Tile("incidents", title, str(count), note, state)


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
