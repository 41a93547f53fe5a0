"""The protocol of the ledger keeps its promises in every interleaving, and needs each rule."""

import importlib
from operator import attrgetter
from pathlib import Path

import pytest

from tests.protocol import model

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def explored() -> dict[model.State, set[model.State]]:
    return model.explore()


def test_no_interleaving_breaks_a_promise_and_each_can_be_finished(
    explored: dict[model.State, set[model.State]],
) -> None:
    assert not model.dead_ends(explored)
    text = (_ROOT / "docs" / "reliability.md").read_text()
    assert f"all {len(explored):,} states" in text


@pytest.mark.parametrize("rule", model.RULES)
def test_each_rule_is_needed(rule: str) -> None:
    with pytest.raises(model.ViolationError):
        model.explore(without=rule)


def test_every_step_is_taken(explored: dict[model.State, set[model.State]]) -> None:
    taken = {name for state in explored for name, _ in model.steps(state)}
    assert taken == {*model.IMPLEMENTED_BY, "kill"}


@pytest.mark.parametrize("place", sorted(set(model.IMPLEMENTED_BY.values())))
def test_the_code_of_each_step_is_there(place: str) -> None:
    if "/" in place:
        assert (_ROOT / place).is_file()
    else:
        module, name = place.split(":")
        assert callable(attrgetter(name)(importlib.import_module(module)))
