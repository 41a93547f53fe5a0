"""Bar charts over the days. Invariant: no markup. The template writes and escapes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from scripts.health.facts import Health
from scripts.health.tiles import duration

HEIGHT = 40
STEP = 10  # width of one day
_BAR = 7
_LEAST = 1.5  # a value above zero stays visible

Value = int | float


@dataclass(frozen=True)
class Bar:
    """The bar of one day. `tip` is its tooltip."""

    x: float
    y: float
    height: float
    tip: str
    is_over: bool


@dataclass(frozen=True)
class Chart:
    """One row of the plots. `goal_y` is the position of the goal line."""

    name: str
    title: str
    latest: str
    most: str
    description: str
    bars: list[Bar]
    width: int
    goal_y: float | None = None
    goal: str = ""


@dataclass(frozen=True)
class _Series:
    """The values of one plot. `say` formats a value."""

    name: str
    title: str
    values: Sequence[Value | None]
    say: Callable[[Value], str]
    goal: float | None = None


def charts(health: Health) -> list[Chart]:
    """Return every plot in display order."""
    plots = health.plots
    series = [
        _Series(f"rows-{source}", f"rows · {source}", rows, _count)
        for source, rows in plots.rows.items()
    ]
    lag = plots.lag_seconds
    series += [
        _Series("lag", "landed → published", lag, duration, plots.lag_goal_seconds),
        _Series("rejects", "rejected records", plots.rejects, _count),
        _Series("load", "load seconds", plots.load_seconds, _seconds),
    ]
    return [_chart(one, health.days) for one in series]


def _chart(series: _Series, days: Sequence[date]) -> Chart:
    known = [value for value in series.values if value is not None]
    goal, say, most = series.goal, series.say, max(known, default=0)
    # A value far over the goal must not flatten the others: bars end at twice the goal.
    scale = (min(max(most, goal), 2 * goal) if goal else most) or 1
    over = sum(value > goal for value in known) if goal else 0
    return Chart(
        name=series.name,
        title=series.title,
        latest=say(known[-1]) if known else "nothing",
        most=say(most),
        description=f"{len(known)} of {len(days)} days, at most {say(most)}"
        + (f", {over} days over the goal of {say(goal)}" if goal else ""),
        bars=[
            _bar(series, place, day, value, scale)
            for place, (day, value) in enumerate(zip(days, series.values, strict=True))
            if value is not None
        ],
        width=len(days) * STEP,
        goal_y=HEIGHT - HEIGHT * goal / scale if goal else None,
        goal=say(goal) if goal else "",
    )


def _bar(series: _Series, place: int, day: date, value: Value, scale: float) -> Bar:
    height = min(HEIGHT * value / scale, HEIGHT)
    height = max(height, _LEAST) if value > 0 else 0
    is_over = series.goal is not None and value > series.goal
    tip = f"{day}: {series.say(value)}"
    return Bar(
        x=place * STEP + (STEP - _BAR) / 2,
        y=round(HEIGHT - height, 2),
        height=round(height, 2),
        tip=f"{tip}, over the goal" if is_over else tip,
        is_over=is_over,
    )


def _count(value: Value) -> str:
    return f"{value:,.0f}"


def _seconds(value: Value) -> str:
    return f"{value:.1f} s"
