"""A state has a shape and a word, and unknown is never green."""

import pytest

from scripts.health.facts import State, worst

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], State.GREY),
        ([State.GREEN], State.GREEN),
        ([State.GREEN, State.GREY], State.GREY),
        ([State.GREY, State.AMBER, State.GREEN], State.AMBER),
        ([State.AMBER, State.RED, State.GREY], State.RED),
    ],
)
def test_the_worst_state_wins_and_unknown_is_worse_than_green(
    states: list[State], expected: State
) -> None:
    assert worst(states) is expected


def test_no_state_is_shown_by_colour_alone() -> None:
    assert len({state.shape for state in State}) == len(State)
    assert len({state.word for state in State}) == len(State)
