"""What an answer says about its rate limit becomes a wait."""

import time

import pytest
from requests.structures import CaseInsensitiveDict

from scripts.extract.limits import Pace, is_limited, stated_limit

pytestmark = pytest.mark.unit
RESET = "X-RateLimit-Reset"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "7", RESET: "99"}, 7),
        ({RESET: "30"}, 30),
        ({RESET: "0"}, 0),
        ({RESET: "soon"}, None),
        ({"Retry-After": "86400"}, 86400),
        ({"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({RESET: "9" * 5000}, None),
        ({RESET: "nan"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_wait_that_is_asked_for_is_found(
    headers: dict[str, str], seconds: float | None
) -> None:
    pause = stated_limit(CaseInsensitiveDict(headers), RESET).pause
    assert pause == (seconds if seconds is None else pytest.approx(seconds, abs=1))


@pytest.mark.parametrize("ahead", [-60, 0, 60])
def test_a_limit_may_end_at_a_moment(ahead: int) -> None:
    moment = time.time() + ahead
    for text in (f"{moment}", f"{moment:.0f}", f"{moment * 1000:.0f}"):
        pause = stated_limit({RESET: text}, RESET).pause
        assert pause == pytest.approx(max(0, ahead), abs=30)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {}, True),
        (403, {"Retry-After": "1"}, True),
        (403, {"X-RateLimit-Remaining": "0"}, True),
        (403, {"X-RateLimit-Remaining": "7"}, False),
        (403, {}, False),
        (200, {"X-RateLimit-Remaining": "0"}, False),
    ],
)
def test_a_limit_is_told_from_a_refusal(
    status: int, headers: dict[str, str], *, expected: bool
) -> None:
    assert is_limited(status, headers) is expected


def test_a_pace_spreads_requests_evenly() -> None:
    pace = Pace(60)
    assert [round(pace.wait(), 1) for _ in range(3)] == [0, 1, 2]
    assert Pace(None).wait() == 0
