"""Rate limits of an API: what an answer says about them, and the pace that a declaration sets."""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from urllib3.exceptions import InvalidHeader
from urllib3.util.retry import Retry

_UNIX_TIME = 1e9  # a larger number is a moment, a smaller one a wait
_NEVER = 10**12  # seconds. urllib3 would cut every longer wait to six hours
_NO_NUMBER = (ValueError, OverflowError, OSError)  # a year or a number that no clock can show
_MILLISECONDS = 1e11


class Limit(NamedTuple):
    """How long the API asks to wait, in seconds, and that as a text."""

    pause: float | None
    text: str


def stated_limit(headers: Mapping[str, str], reset_header: str) -> Limit:
    """Return the wait that an answer asks for: Retry-After, else the end of its rate limit."""
    with suppress(InvalidHeader, KeyError, *_NO_NUMBER):
        pause = Retry(retry_after_max=_NEVER).parse_retry_after(headers["Retry-After"])
        return Limit(pause, f" with Retry-After {pause:g} s")
    with suppress(KeyError, *_NO_NUMBER):
        number, now = float(headers[reset_header]), time.time()
        moment = number / 1000 if number > _MILLISECONDS else number
        moment = moment if moment > _UNIX_TIME else now + moment
        end = datetime.fromtimestamp(moment, UTC)
        return Limit(max(0.0, moment - now), f" until {end:%Y-%m-%dT%H:%M:%SZ}, the limit's end")
    return Limit(None, "")


def is_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether an answer means that there were too many requests."""
    is_used_up = headers.get("X-RateLimit-Remaining", "").strip() == "0"
    return status == 429 or (status == 403 and ("Retry-After" in headers or is_used_up))


class Pace:
    """Spreads requests over time. `wait` returns how long to sleep before the next one."""

    def __init__(self, requests_per_minute: float | None) -> None:
        self._interval = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next_at = 0.0

    def wait(self) -> float:
        """Reserve the next moment, and return the seconds until then."""
        now = time.monotonic()
        at = max(now, self._next_at)
        self._next_at = at + self._interval
        return at - now
