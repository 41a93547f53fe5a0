"""What a fault is: how it strikes, what the operator sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module

from tests.fault.pipeline.rig import Rig

HEAL_SECONDS = 300  # to give up after; how long it took is measured


class Told(Enum):
    """Whether a fault is an incident: it stays below an alert, may become one, or always does."""

    NEVER = "never"
    MAYBE = "maybe"
    ALWAYS = "always"

    def fits(self, causes: Sequence[str]) -> bool:
        """Return whether these incidents are what a fault may lead to."""
        return self is Told.MAYBE or bool(causes) == (self is Told.ALWAYS)


@dataclass(frozen=True)
class Fault:
    """One fault; `strike` brings data, injects it and returns once it has been seen to strike.

    `is_first` marks the one fault of its class that `make test-fault FIRST=1` goes through, and
    `is_warehouse_down` those during which the warehouse cannot remember what was told.
    """

    name: str
    strike: Callable[[Rig], None]
    seen: str
    is_first: bool = False
    told: Told = Told.NEVER
    is_warehouse_down: bool = False


_FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    seen: str,
    is_first: bool = False,
    told: Told = Told.NEVER,
    is_warehouse_down: bool = False,
) -> Callable[[Callable[[Rig], None]], Callable[[Rig], None]]:
    """Declare the decorated function as a fault."""

    def declare(strike: Callable[[Rig], None]) -> Callable[[Rig], None]:
        _FAULTS[name] = Fault(name, strike, seen, is_first, told, is_warehouse_down)
        return strike

    return declare


def faults() -> dict[str, Fault]:
    """Return every fault by name, as the modules beside this one declare them."""
    for module in ("kills", "outside"):
        import_module(f"tests.fault.pipeline.{module}")
    return _FAULTS


def strike_and_heal(rig: Rig, fault: Fault) -> float:
    """Let a fault strike a quiet pipeline; return the seconds until every record is everywhere."""
    rig.begin()
    fault.strike(rig)
    return rig.heal(HEAL_SECONDS)
