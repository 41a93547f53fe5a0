"""What a fault is: how it strikes, what the operator sees, and within what time it must be over."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fault.pipeline.rig import Rig

HEAL_SECONDS = 120  # the watch interval and one run, on a machine that does other things too


@dataclass(frozen=True)
class Fault:
    """One fault; `strike` brings data, injects it and returns once it has been seen to strike.

    `is_first` marks the one fault of its class that every `make test` goes through.
    """

    name: str
    strike: Callable[[Rig], None]
    seen: str
    is_first: bool = False
    heal_seconds: float = HEAL_SECONDS


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, *, seen: str, is_first: bool = False, heal_seconds: float = HEAL_SECONDS
) -> Callable[[Callable[[Rig], None]], Callable[[Rig], None]]:
    """Declare the decorated function as a fault."""

    def declare(strike: Callable[[Rig], None]) -> Callable[[Rig], None]:
        FAULTS[name] = Fault(name, strike, seen, is_first, heal_seconds)
        return strike

    return declare


def strike_and_heal(rig: Rig, fault: Fault) -> float:
    """Let a fault strike a quiet pipeline; return the seconds until every record is everywhere."""
    rig.begin()
    fault.strike(rig)
    return rig.heal(fault.heal_seconds)
