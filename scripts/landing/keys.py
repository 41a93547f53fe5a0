"""Days and object keys. Invariant: only `raw_key` spells the key of a day."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime

from scripts.errors import InvalidInputError

RAW = "raw/"
FIRST_DAY = date.min  # of a sweep over everything that has landed
_RAW_KEY = re.compile(r"raw/(?P<source>[a-z][a-z0-9_]*)/(?P<day>\d{4}-\d{2}-\d{2})\.json")


def raw_prefix(source: str) -> str:
    """Return the prefix of every day of `source`: ``raw/<source>/``."""
    return f"{RAW}{source}/"


def raw_key(source: str, day: date) -> str:
    """Return the object key of one day of a source: ``raw/<source>/<YYYY-MM-DD>.json``."""
    return f"{raw_prefix(source)}{day.isoformat()}.json"


def parse_raw_key(key: str) -> tuple[str, date] | None:
    """Return (source, day) of a key that `raw_key` could have made, or None for another key."""
    match = _RAW_KEY.fullmatch(key)
    if match is None:
        return None
    try:
        return match["source"], date.fromisoformat(match["day"])
    except ValueError:  # 2026-02-30: not a day
        return None


def parse_day(text: str) -> date:
    """Read a day written as YYYY-MM-DD. Raises InvalidInputError that shows the text."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    raise InvalidInputError(f"expected a day as YYYY-MM-DD, got {text[:40]!r}")


def today(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> date:
    """Return the current day of a clock. Days begin at midnight UTC."""
    return now().astimezone(UTC).date()
