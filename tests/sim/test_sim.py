"""Some schedules, the same again for the same seed, and broken rules that a schedule notices."""

from collections.abc import Iterator

import pytest

from scripts.load import superseded
from scripts.load.attempt import Attempt
from tests.sim.schedules import Simulated, shortest, simulate, simulated_server, watched

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with simulated_server(1) as [warehouse], watched(warehouse) as simulated:
        yield simulated


def _first_violation(simulated: Simulated, seeds: range) -> str:
    """Return what the first of some schedules violates, or an empty text."""
    schedules = (simulate(simulated, seed) for seed in seeds)
    return next((found.violation for found in schedules if found.violation), "")


def test_no_schedule_breaks_a_promise(simulated: Simulated) -> None:
    assert _first_violation(simulated, range(1, 21)) == ""


def test_a_seed_gives_the_same_schedule_again(simulated: Simulated) -> None:
    for seed in (1, 9, 22):  # without kills, and without three that wait for one day
        assert simulate(simulated, seed) == simulate(simulated, seed)


def test_a_load_that_does_not_look_at_the_object_again_is_noticed(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attempt, "_is_same", lambda *_: True)
    assert _first_violation(simulated, range(1, 101))


def test_a_clean_up_that_forgets_what_a_build_reads_is_noticed(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(superseded, "pinned_loads", lambda _: [])
    assert _first_violation(simulated, range(1, 201))


def test_the_shortest_schedule_that_breaks_a_promise_is_looked_for(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Attempt, "_is_same", lambda *_: True)
    monkeypatch.setattr("tests.sim.schedules._TRIES", 5)
    schedules = [simulate(simulated, seed) for seed in range(21, 41)]
    found = max((s for s in schedules if s.violation), key=lambda schedule: len(schedule.steps))
    short = shortest(simulated, found, lambda _: None)
    assert short.violation
    assert len(short.steps) < len(found.steps)
    assert short.without
    again = simulate(simulated, short.seed, short.without)
    assert again.violation == short.violation
