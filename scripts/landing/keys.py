"""Days and object keys. Invariant: only `raw_key` spells the key of a day."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from scripts.errors import InvalidInputError

RAW = "raw/"
FIRST_DAY = date(1970, 1, 1)  # no day is earlier, and none is later than tomorrow
_RAW_KEY = re.compile(r"raw/(?P<source>[a-z][a-z0-9_]*)/(?P<day>\d{4}-\d{2}-\d{2})\.json")


def raw_prefix(source: str) -> str:
    """Return the prefix of every day of `source`: ``raw/<source>/``."""
    return f"{RAW}{source}/"


def raw_key(source: str, day: date) -> str:
    """Return the object key of one day of a source: ``raw/<source>/<YYYY-MM-DD>.json``."""
    return f"{raw_prefix(source)}{day.isoformat()}.json"


def parts_prefix(source: str) -> str:
    """Return the prefix of the parts of days of a source: ``parts/<source>/``."""
    return f"parts/{source}/"


def part_key(source: str, day: date, name: str) -> str:
    """Return the key of a part of a day: ``parts/<source>/<YYYY-MM-DD>/<name>.json``."""
    return f"{parts_prefix(source)}{day.isoformat()}/{name}.json"


def parse_raw_key(key: str) -> tuple[str, date] | None:
    """Return (source, day) of the key of a possible day, or None for another key."""
    match = _RAW_KEY.fullmatch(key)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:  # 2026-02-30: not a day
        return None
    return (match["source"], day) if _is_possible(day) else None


def names_a_day(key: str) -> bool:
    """Return whether a key is written as `raw_key` writes it, even for an impossible day."""
    return _RAW_KEY.fullmatch(key) is not None


def parse_day(text: str) -> date:
    """Read a possible day written as YYYY-MM-DD. Raises InvalidInputError that shows the text."""
    return checked_day(parse_any_day(text))


def parse_any_day(text: str) -> date:
    """Read a day written as YYYY-MM-DD, also an impossible one, which only erasure may name."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    raise InvalidInputError(f"expected a day as YYYY-MM-DD, got {text[:40]!r}")


def checked_day(day: date) -> date:
    """Return a day, or raise InvalidInputError if it is before `FIRST_DAY` or after tomorrow.

    The latest day of a source is what it is now. So a day that has not come would hide all others.
    """
    if not _is_possible(day):
        raise InvalidInputError(f"expected a day from {FIRST_DAY} to tomorrow, got {day}")
    return day


def _is_possible(day: date) -> bool:
    return FIRST_DAY <= day <= today() + timedelta(days=1)


def today(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> date:
    """Return the current day of a clock. Days begin at midnight UTC."""
    return now().astimezone(UTC).date()


def printable(key: str) -> str:
    """Return a key for logs and tables: without characters that these do not take, such as NUL."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in key)
