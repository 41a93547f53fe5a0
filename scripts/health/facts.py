"""What the health page and `python -m scripts.health` show. Invariant: plain facts, no markup.

A state is never told by colour alone: each has a shape and a word. Unknown is grey, never green.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum

import msgspec


class State(StrEnum):
    """How something is; what is not known is grey."""

    GREEN = "green"
    GREY = "grey"
    AMBER = "amber"
    RED = "red"

    @property
    def shape(self) -> str:
        """The sign that stands for it where there is no colour."""
        return {"green": "●", "grey": "○", "amber": "▲", "red": "■"}[self]

    @property
    def word(self) -> str:
        """The word that stands for it."""
        return {"green": "healthy", "grey": "unknown", "amber": "warning", "red": "broken"}[self]


def worst(states: Iterable[State]) -> State:
    """Return the worst state: red, amber, grey, green; of none, grey."""
    order = list(State)
    return max(states, key=order.index, default=State.GREY)


class Cell(StrEnum):
    """What became of one day of a source."""

    ON_TIME = "on time"
    LATE = "late"
    REFUSED = "refused"
    MISSING = "missing"
    PENDING = "pending"
    BEFORE = "before the first"


class Tile(msgspec.Struct, frozen=True):
    """One figure: what it says, and what it is held against."""

    name: str
    title: str
    value: str
    note: str
    state: State


class Need(msgspec.Struct, frozen=True):
    """One cause that waits for a person.

    Attributes:
        kind: the class; the anchor of its section in the run book.
        title: what broke.
        next: what happens by itself, or that somebody must act.
        since: when it was opened, or None where only the ledger shows it yet.
        facts: what is known, by label; free of secrets.
        links: where to look, by label, as the incident has them.
        run_id: the run of transform_posts that met it, where no link is known.
        silent_until: until when nobody is told of it, at somebody's wish.
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
    """How fresh a mart is: as its stalest source."""

    name: str
    state: State
    word: str
    published_at: datetime | None
    through: date | None
    source: str | None


class OnTime(msgspec.Struct, frozen=True):
    """The days of a source, oldest first; `share` counts only those that were due."""

    source: str
    cells: list[Cell]
    on_time: int
    due: int


class Plots(msgspec.Struct, frozen=True):
    """Series over `Health.days`; None where there is nothing.

    Attributes:
        rows: loaded rows by source.
        lag_seconds: from landed to published, of the slowest source.
        lag_goal_seconds: within how long a load must be published.
        rejects: rejected records of all sources.
        load_seconds: of loading all sources.
    """

    rows: dict[str, list[int | None]]
    lag_seconds: list[float | None]
    lag_goal_seconds: float
    rejects: list[int | None]
    load_seconds: list[float | None]


class Health(msgspec.Struct, frozen=True):
    """All of it, `as_of` one moment; `days` is the time axis of strip and plots."""

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
        """The first reason, and how many more there are."""
        more = len(self.reasons) - 1
        return self.reasons[0] + (f", and {more} more" if more > 0 else "")
