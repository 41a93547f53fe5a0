"""The facts of the health page and of `python -m scripts.health`. Invariant: no markup.

Colour alone never shows a state: each state has a shape and a word. Unknown is grey, never green.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum

import msgspec


class State(StrEnum):
    """The state of one fact. Grey means unknown."""

    GREEN = "green"
    GREY = "grey"
    AMBER = "amber"
    RED = "red"

    @property
    def shape(self) -> str:
        """The sign that shows the state without colour."""
        return {"green": "●", "grey": "○", "amber": "▲", "red": "■"}[self]

    @property
    def word(self) -> str:
        """The word that names the state."""
        return {"green": "healthy", "grey": "unknown", "amber": "warning", "red": "broken"}[self]


def worst(states: Iterable[State]) -> State:
    """Return the worst state in the order red, amber, grey, green. Without states: grey."""
    return max(states, key=list(State).index, default=State.GREY)


class Cell(StrEnum):
    """The outcome of one day of a source."""

    ON_TIME = "on time"
    LATE = "late"
    PARKED = "parked"
    MISSING = "missing"
    PENDING = "pending"
    BEFORE = "before the first day"


class Tile(msgspec.Struct, frozen=True):
    """One figure: its value, and what it is compared with."""

    name: str
    title: str
    value: str
    note: str
    state: State


class Need(msgspec.Struct, frozen=True):
    """One cause that requires an operator.

    Attributes:
        kind: the class, which is the anchor of its section in the run book.
        title: what failed.
        next: whether the pipeline recovers automatically, and what the operator does.
        since: when the incident was opened, or None if only the ledger shows the cause so far.
        facts: details by label, without secrets.
        links: the links of the incident, by label.
        run_id: the run of transform_posts that found the cause, if no link is known.
        silent_until: the end of the silence that a user requested, if any.
    """

    fingerprint: str
    kind: str
    state: State
    title: str
    next: str
    subject: str
    day: date | None
    since: datetime | None
    facts: dict[str, str]
    links: dict[str, str]
    run_id: str | None = None
    silent_until: datetime | None = None


class Mart(msgspec.Struct, frozen=True):
    """The freshness of a mart, which is that of its stalest source."""

    name: str
    state: State
    word: str
    published_at: datetime | None
    through: date | None
    source: str | None


class OnTime(msgspec.Struct, frozen=True):
    """The days of a source, oldest first. `due` excludes pending days and days before the first.

    `as_of` has the days whose content is how things were later, with the day of the request.
    """

    source: str
    cells: list[Cell]
    on_time: int
    due: int
    as_of: dict[date, date]


class Plots(msgspec.Struct, frozen=True):
    """Series over `Health.days`. None marks a day without data.

    Attributes:
        rows: loaded rows by source.
        lag_seconds: time from landed to published, of the slowest source.
        lag_goal_seconds: time within which a load must be published.
        rejects: rejected records of all sources.
        load_seconds: time to load all sources.
    """

    rows: dict[str, list[int | None]]
    lag_seconds: list[float | None]
    lag_goal_seconds: float
    rejects: list[int | None]
    load_seconds: list[float | None]


class Health(msgspec.Struct, frozen=True):
    """All facts at the moment `as_of`. `days` is the time axis of the strip and the plots."""

    state: State
    word: str
    reasons: list[str]
    as_of: datetime
    environment: str
    tiles: list[Tile]
    needs: list[Need]
    needs_more: int
    waiting: list[str]
    marts: list[Mart]
    days: list[date]
    on_time: list[OnTime]
    plots: Plots

    @property
    def reason(self) -> str:
        """The first reason, and the number of the others."""
        more = len(self.reasons) - 1
        return self.reasons[0] + (f", and {more} more" if more > 0 else "")
