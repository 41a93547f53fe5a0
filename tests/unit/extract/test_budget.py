"""Deadline, pace and bytes hold for all threads together, and a stop ends every wait."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from scripts.errors import UnavailableError
from scripts.extract.budget import Budget
from scripts.settings import RunSettings
from tests.orders import API

pytestmark = pytest.mark.unit


def test_a_deadline_that_is_over_is_named() -> None:
    budget = Budget(RunSettings(total_timeout=0.01), API)
    budget.check("")
    time.sleep(0.02)
    with pytest.raises(UnavailableError, match=r"within 0\.01 s \(total_timeout\).* at byte 7"):
        budget.check(" at byte 7")
    assert budget.left() < 0


def test_all_threads_keep_one_pace() -> None:
    budget = Budget(RunSettings(total_timeout=9), replace(API, requests_per_minute=600))
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: budget.keep_pace(), range(6)))
    assert 0.5 <= time.monotonic() - started < 2


def test_a_pace_beyond_the_deadline_is_named() -> None:
    budget = Budget(RunSettings(total_timeout=1), replace(API, requests_per_minute=10))
    budget.keep_pace()
    with pytest.raises(UnavailableError, match="the pace of 10 requests per minute needs more"):
        budget.keep_pace()


def test_bytes_are_counted_and_forgotten() -> None:
    budget = Budget(RunSettings(), API)
    assert [budget.count(size) for size in (5, 7, -7)] == [5, 12, 5]


def test_a_stop_ends_every_wait() -> None:
    budget = Budget(RunSettings(), API)
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        sleeping = pool.submit(budget.sleep, 60)
        budget.stop()
        sleeping.result()
    assert time.monotonic() - started < 5
    with pytest.raises(UnavailableError, match="another list failed"):
        budget.check("")
