"""What a day of a source is. Invariant: the days of a source that asks for them never overlap.

`Snapshot` is the list as it is when it is asked for. `Window` has the records of one day, `Changes`
those that were changed in it. Both ask for a day that has ended, with its bounds in the request.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.parent import PREFIX

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_OF_WINDOW = re.compile(r"\{window\.(start|end)(?::([^{}]+))?\}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"epoch": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
_INSTANT = timedelta(microseconds=1)

Kind = Literal["snapshot", "window", "changes"]
Bounds = tuple[datetime, datetime]


@dataclass(frozen=True)
class Snapshot:
    """A day is the whole list, as it is when it is asked for. What is missing was deleted."""

    kind: ClassVar[Kind] = "snapshot"
    lookback_days: ClassVar[int] = 0

    def last_day(self, moment: datetime) -> date:
        """Return the day that a run at a moment lands: the day of the moment."""
        return moment.astimezone(UTC).date()

    def ends_at(self, day: date) -> datetime:
        """Return the moment from which a day can be asked for: its midnight."""
        return datetime.combine(day, time(), UTC)


@dataclass(frozen=True)
class Window:
    """A day has its own records: those of [start, end). All days together are the data.

    A run asks for the day that has ended: the one at midnight of the 2nd lands the 1st. The bounds
    are in parameters, or in placeholders in the path, `params` or `json` of the source:
    ``{window.start}``, ``{window.end}``, or with another format ``{window.start:%Y/%m/%d}``.

    Attributes:
        start_param: the query parameter of the start, or of the day if the API takes just one.
        end_param: the query parameter of the end.
        format: how a bound is written: as for strftime, or ``epoch`` or ``epoch_ms`` for the
            seconds or milliseconds since 1970. With ``Z`` at its end, the time is UTC.
        is_end_inclusive: whether the API counts the end as part of the day. Then the last moment
            of the day is sent, as far as the format can express it.
        timezone: where the days begin at midnight, such as ``Europe/Berlin``.
        lookback_days: how many earlier days a scheduled run asks for again, for late records.
    """

    kind: ClassVar[Kind] = "window"

    start_param: str | None = None
    end_param: str | None = None
    format: str = "%Y-%m-%d"
    is_end_inclusive: bool = False
    timezone: str = "UTC"
    lookback_days: int = 0

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError):
            raise DeclarationError(
                "day.timezone", f"expected a name such as Europe/Berlin, got {self.timezone!r}"
            ) from None
        if self.start_param is not None and self.start_param == self.end_param:
            raise DeclarationError("day", f"both bounds are the parameter {self.start_param!r}")
        if not isinstance(self.lookback_days, int) or self.lookback_days < 0:
            raise DeclarationError("day.lookback_days", "expected a number of days from 0 on")

    def last_day(self, moment: datetime) -> date:
        """Return the day that a run at a moment lands: the last one that has ended."""
        return moment.astimezone(ZoneInfo(self.timezone)).date() - timedelta(days=1)

    def bounds(self, day: date) -> Bounds:
        """Return the first moment of a day, and that of the next day."""
        zone = ZoneInfo(self.timezone)
        start, end = (datetime.combine(d, time(), zone) for d in (day, day + timedelta(days=1)))
        return start, end

    def hours_of(self, day: date, count: int) -> list[Bounds]:
        """Return the bounds of pieces of so many hours. A day may have 23 or 25 of them."""
        start, end = (moment.astimezone(UTC) for moment in self.bounds(day))
        step, zone, found = timedelta(hours=count), ZoneInfo(self.timezone), []
        while start < end:
            bounds = (start, min(start + step, end))
            found.append((bounds[0].astimezone(zone), bounds[1].astimezone(zone)))
            start += step
        return found

    def ends_at(self, day: date) -> datetime:
        """Return the moment from which a day can be asked for: the midnight after it."""
        return self.bounds(day)[1].astimezone(UTC)

    def written(self, bounds: Bounds, bound: str, form: str | None) -> str:
        """Return the ``start`` or ``end`` of bounds as the API reads it."""
        start, end = bounds
        zone = end.tzinfo
        last = (end.astimezone(UTC) - _INSTANT).astimezone(zone) if self.is_end_inclusive else end
        return _text(start if bound == "start" else last, form or self.format)

    def params(self, bounds: Bounds) -> dict[str, str]:
        """Return the query parameters of bounds."""
        named = {"start": self.start_param, "end": self.end_param}
        return {param: self.written(bounds, bound, None) for bound, param in named.items() if param}

    def filled_url(self, url: str, bounds: Bounds) -> str:
        """Return a URL with its placeholders filled, and escaped so that a + is no space."""
        return _OF_WINDOW.sub(
            lambda found: quote(self.written(bounds, found[1], found[2]), safe="/:,"), url
        )

    def filled(self, text: str, bounds: Bounds) -> str | int:
        """Return a text with its placeholders filled. A number of seconds alone is an integer."""
        whole = _OF_WINDOW.fullmatch(text)
        if whole and whole[2] in _UNITS:
            return int(self.written(bounds, whole[1], whole[2]))
        return _OF_WINDOW.sub(lambda found: self.written(bounds, found[1], found[2]), text)


@dataclass(frozen=True)
class Changes(Window):
    """A day has the records that were changed in it. The latest version of each key is current.

    The arguments are those of `Window`. A day may contain more than its own changes, so an API that
    takes no end, or no bounds at all, works too. A day of it that is asked for later is marked in
    the ledger as of the time of its request.
    """

    kind: ClassVar[Kind] = "changes"


Day = Snapshot | Window


def check_placeholders(field: str, text: str, day: Day, *, is_free: bool) -> set[str]:
    """Return which bounds the placeholders in a text name. Raises DeclarationError for others.

    In a `free` text, such as GraphQL, braces have other meanings, too. Those of a parent are
    checked elsewhere.
    """
    named = set()
    for placeholder in _PLACEHOLDER.findall(text):
        if placeholder.startswith(PREFIX):
            continue
        match = _OF_WINDOW.fullmatch(placeholder)
        if match and isinstance(day, Window):
            named.add(match[1])
        elif match:
            raise DeclarationError(field, f"{placeholder} needs day=Window() or day=Changes()")
        elif not is_free or placeholder == text or placeholder.startswith("{window"):
            raise DeclarationError(
                field,
                "expected {window.start} or {window.end}, if need be with a format such as "
                f"{{window.start:%Y-%m-%d}}, got {placeholder}",
            )
    return named


def _text(moment: datetime, form: str) -> str:
    if unit := _UNITS.get(form):
        return str((moment - _EPOCH) // unit)
    return (moment.astimezone(UTC) if form.endswith("Z") else moment).strftime(form)
