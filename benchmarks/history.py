"""A day's transform over the days of history, and on the first day. Invariant: one run a table.

``python -m benchmarks.history`` measures, prints tables with goals, and exits with status 1 when a
goal is missed. docs/benchmarks.md describes the comparison.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from statistics import median
from typing import Annotated

import typer

from benchmarks import machine
from benchmarks.figures import Figure
from benchmarks.lines import lines
from benchmarks.measure import ROOT
from benchmarks.raw_days import USERS, RawDays
from benchmarks.report import put_between_markers, table
from benchmarks.warehouse import running_warehouse
from benchmarks.warm_dbt import THREADS, Run, WarmDbt, warm_dbt
from scripts.cli import run_cli

_DOCS = ROOT / "docs" / "benchmarks.md"
_PICTURE = ROOT / "docs" / "benchmarks-history.svg"
_FEW, _ALL = 100, 1  # a post is edited once in that many days
_MODES = {"1 % of posts edited": _FEW, "all posts edited": _ALL}
_DAYS = 5  # of each depth: the median counts
_PAIRS = 9  # of days after a long and after a short history
_ROUNDS = 3  # of day 1 and day 30
_SHORT, _LATER = 2, 30
_LEAST_SECONDS = 0.1  # of a node on the first day, to be compared
_COMMENTS = 5  # of a post on a first day
_COLUMNS = [
    "a day",
    "days",
    "build s",
    "publish s",
    "CPU s server",
    "peak MB",
    "slowest model or test",
]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Transform:
    """One build with its publish."""

    build: Run
    publish: Run

    @property
    def seconds(self) -> float:
        """Wall seconds of both."""
        return self.build.seconds + self.publish.seconds

    @property
    def server_cpu(self) -> float:
        """CPU seconds of the server in both."""
        return self.build.server_cpu + self.publish.server_cpu

    @property
    def peak_bytes(self) -> int:
        """The higher of the peaks of memory."""
        return max(self.build.peak_bytes, self.publish.peak_bytes)


@dataclass(frozen=True)
class Depth:
    """The transforms of some days after a history of that many days."""

    mode: str
    days: int
    measured: Sequence[Transform]

    def middle(self, quantity: Callable[[Transform], float]) -> float:
        """Return the median of one quantity."""
        return median(map(quantity, self.measured))

    @property
    def seconds(self) -> float:
        """Median wall seconds of build and publish."""
        return self.middle(lambda day: day.seconds)

    @property
    def publish(self) -> float:
        """Median wall seconds of the publish alone."""
        return self.middle(lambda day: day.publish.seconds)

    def cells(self) -> list[str]:
        """Return the row of the table."""
        nodes = {
            name: median(day.build.nodes[name] for day in self.measured)
            for name in self.measured[0].build.nodes
        }
        slowest = max(nodes, key=lambda name: nodes[name])
        return [
            self.mode,
            str(self.days),
            f"{self.middle(lambda day: day.build.seconds):.2f}",
            f"{self.publish:.2f}",
            f"{self.middle(lambda day: day.server_cpu):.2f}",
            f"{self.middle(lambda day: day.peak_bytes) / 1e6:.1f}",
            f"{slowest}, {nodes[slowest]:.2f} s",
        ]


@contextmanager
def new_warehouse(posts: int, comments: int, every: int) -> Iterator[tuple[RawDays, WarmDbt]]:
    """Yield an empty warehouse to fill with days, and dbt for it."""
    with running_warehouse() as (warehouse, _), warm_dbt(warehouse) as dbt:
        yield RawDays(warehouse, posts, comments, every), dbt


def _transform(dbt: WarmDbt) -> Transform:
    return Transform(dbt.build(), dbt.publish())


def _catch_up(days: RawDays, dbt: WarmDbt, first: int, last: int) -> None:
    """Load and transform some days together, without measuring them."""
    days.add(first, last)
    _transform(dbt)
    dbt.build()  # or the first measured day would drop what was built of all of them
    days.settle()


def _one_day(days: RawDays, dbt: WarmDbt, day: int) -> Transform:
    days.warehouse.settle()
    days.add(day, day)
    return _transform(dbt)


def growth(
    mode: str, rows: int, depths: Sequence[int], tell: Tell
) -> tuple[list[Depth], list[Figure]]:
    """Return the transforms of one mode at each depth of history, and how the last compares."""
    found = []
    with new_warehouse(rows, rows, _MODES[mode]) as (days, dbt):
        for before, depth in pairwise([1 - _DAYS, *depths]):
            _catch_up(days, dbt, before + _DAYS, depth - 1)
            measured = [_one_day(days, dbt, day) for day in range(depth, depth + _DAYS)]
            found.append(Depth(mode, depth, measured))
            tell(f"{mode}, {depth} days: {found[-1].seconds:.1f} s")
        figures = _compared(found[-1], rows, days)
        tell(", ".join(f"{figure.value:.2f}" for figure in figures))
    return found, figures


def _compared(last: Depth, rows: int, days: RawDays) -> list[Figure]:
    """Return the days after a long history relative to those of a new warehouse, by turns.

    Each side has a new process of dbt: a command takes longer in one that has run many.
    """
    label = f"{last.mode}, at {last.days} days / at {_SHORT} days"
    pairs = []
    with (
        warm_dbt(days.warehouse) as dbt,
        new_warehouse(rows, rows, _MODES[last.mode]) as (few, dbt_of_few),
    ):
        _catch_up(few, dbt_of_few, 1, _SHORT - 1)
        for number in range(_PAIRS):
            long = (days, dbt, last.days + _DAYS + number)
            short = (few, dbt_of_few, _SHORT + number)
            if number % 2:
                after_few = _one_day(*short)
                pairs.append((_one_day(*long), after_few))
            else:
                pairs.append((_one_day(*long), _one_day(*short)))
    whole = median(deep.seconds / shallow.seconds for deep, shallow in pairs)
    publish = median(deep.publish.seconds / shallow.publish.seconds for deep, shallow in pairs)
    return [
        Figure(f"a day's transform, {label}", whole, at_most=1.2),
        Figure(f"its publish, {label}", publish, at_most=1.2),
    ]


def first_and_later(rows: int, tell: Tell) -> list[Figure]:
    """Return the build of the first day of a new warehouse, relative to a later day of as many.

    Each is the first command of its process of dbt.
    """
    rounds = []
    for _ in range(_ROUNDS):
        with new_warehouse(rows, rows, _FEW) as (days, dbt):
            days.add(1, 1)
            first = _transform(dbt).build
            _catch_up(days, dbt, 2, _LATER - 1)
            days.add(_LATER, _LATER)
            with warm_dbt(days.warehouse) as dbt_of_later:
                later = dbt_of_later.build()
        rounds.append((first, later))
        tell(f"day 1: {first.seconds:.1f} s, day {_LATER}: {later.seconds:.1f} s")
    seconds = median(first.seconds for first, _ in rounds)
    ratio = median(first.seconds / later.seconds for first, later in rounds)
    nodes = {
        name: median(first.nodes[name] / later.nodes[name] for first, later in rounds)
        for name in rounds[0][0].nodes
        if median(first.nodes[name] for first, _ in rounds) > _LEAST_SECONDS
    }
    worst = sorted(nodes, key=lambda name: nodes[name])[-1:]
    label = f"day 1 / day {_LATER}"
    return [
        Figure(f"build of day 1, {rows:,} posts", seconds, "s"),
        Figure(f"build, {label}", ratio, at_most=1.1),
        *(Figure(f"{name}, {label}, the highest of all", nodes[name]) for name in worst),
    ]


def large_first_day(posts: int, tell: Tell) -> list[Figure]:
    """Return the transform of a large first day, relative to that of a tenth of it."""
    seconds = []
    for size in (posts // 10, posts):
        with new_warehouse(size, size * _COMMENTS, _FEW) as (days, dbt):
            days.add(1, 1)
            seconds.append(_transform(dbt).seconds)
        tell(f"first day of {size:,} posts: {seconds[-1]:.1f} s")
    tenth, whole = seconds
    label = f"first day of {posts:,} posts and {posts * _COMMENTS:,} comments"
    return [Figure(label, whole, "s"), Figure(f"{label} / a tenth", whole / tenth, at_most=12)]


def _parsed(depths: str) -> list[int]:
    """Return the depths, which are so far apart that no day is measured twice."""
    try:
        found = [int(depth) for depth in depths.split(",")]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if any(after - before < _DAYS for before, after in pairwise([2 - _DAYS, *found])):
        raise typer.BadParameter(f"the depths start with 2 or more, and rise by at least {_DAYS}")
    return found


def main(
    rows: Annotated[int, typer.Option(min=100, help="posts and comments per day")] = 10_000,
    depths: Annotated[str, typer.Option(help="days of history")] = "2,30,90,180,365",
    first_rows: Annotated[int, typer.Option(min=1000, help="posts of a first day")] = 200_000,
    *,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Compare a day's transform over the days of history, and the first day with later ones."""
    started, parsed = time.monotonic(), _parsed(depths)

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s {line}", err=True)

    with running_warehouse() as (warehouse, _):
        facts = machine.facts(warehouse, with_peers=False)
    measured = [growth(mode, rows, parsed, tell) for mode in _MODES]
    grown = [depths for depths, _ in measured]
    figures = [figure for _, of_mode in measured for figure in of_mode]
    figures += [*first_and_later(rows, tell), *large_first_day(first_rows, tell)]
    facts["dbt"] = f"{version('dbt-core')}, {THREADS} threads"
    facts["a day"] = f"{rows:,} posts, {rows:,} comments, {USERS:,} users"
    text = "\n\n".join(
        [
            table(["figure", "measured", "goal", ""], [figure.cells() for figure in figures]),
            table(_COLUMNS, [depth.cells() for of_mode in grown for depth in of_mode]),
            "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        ]
    )
    typer.echo(text)
    if is_written:
        _write(text, rows, grown)
    if missed := [figure.name for figure in figures if not figure.is_met]:
        typer.echo(f"missed: {'; '.join(missed)}", err=True)
        raise typer.Exit(1)


def _write(text: str, rows: int, grown: Sequence[Sequence[Depth]]) -> None:
    """Write the tables into docs/benchmarks.md and the picture beside it."""
    title = f"Build and publish of a day of {rows:,} posts"
    series = {of_mode[0].mode: [(d.days, d.seconds) for d in of_mode] for of_mode in grown}
    _PICTURE.write_text(lines(title, "days of history", "seconds", series))
    shown = f"![seconds over days of history]({_PICTURE.name})"
    put_between_markers(_DOCS, "benchmarks.history", f"{shown}\n\n{text}")


if __name__ == "__main__":
    run_cli(main)
