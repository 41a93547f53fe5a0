"""Some schedules, the same again for the same seed, and broken rules that a schedule notices."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from scripts.load import superseded
from scripts.load.attempt import Attempt
from tests.conftest import Warehouse
from tests.sim.__main__ import simulate, simulated_warehouse
from tests.sim.oracle import ViolationError

pytestmark = pytest.mark.integration

Simulated = tuple[Warehouse, psycopg.Connection[Any]]


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with simulated_warehouse() as simulated:
        yield simulated


def _run(simulated: Simulated, seeds: range) -> None:
    for seed in seeds:
        simulate(*simulated, seed)


def test_no_schedule_breaks_a_promise(simulated: Simulated) -> None:
    _run(simulated, range(1, 21))


def test_a_seed_gives_the_same_schedule_again(simulated: Simulated) -> None:
    for seed in (3, 6, 9):  # without kills
        assert simulate(*simulated, seed) == simulate(*simulated, seed)


def test_a_load_that_does_not_look_at_the_object_again_is_noticed(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attempt, "_is_same", lambda *_: True)
    with pytest.raises(ViolationError):
        _run(simulated, range(1, 151))


def test_a_clean_up_that_forgets_what_a_build_reads_is_noticed(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(superseded, "pinned_loads", lambda _: [])
    with pytest.raises(ViolationError):
        _run(simulated, range(1, 151))


def test_a_promise_that_nobody_checks_is_noticed(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attempt, "_check_promise", lambda _: None)
    with pytest.raises(ViolationError):
        _run(simulated, range(1, 151))
