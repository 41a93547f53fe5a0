"""Declare faults: how each is injected, and what the operator sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module

from tests.fault.pipeline.rig import Rig

HEAL_SECONDS = 300  # timeout only: the suite measures the actual recovery time


class ExpectedAlerts(Enum):
    """Whether a fault never, possibly or always opens an incident."""

    NEVER = "never"
    MAYBE = "maybe"
    ALWAYS = "always"

    def fits(self, causes: Sequence[str]) -> bool:
        """Return whether these incidents match the expectation."""
        return self is ExpectedAlerts.MAYBE or bool(causes) == (self is ExpectedAlerts.ALWAYS)


@dataclass(frozen=True)
class Fault:
    """One fault. `strike` adds data, injects the fault, and returns once the fault took effect.

    `is_first` marks the one fault of its class that `make test-fault FIRST=1` runs.
    `is_warehouse_down` marks faults during which the warehouse cannot record what was sent.
    """

    name: str
    strike: Callable[[Rig], None]
    seen: str
    is_first: bool = False
    alerts: ExpectedAlerts = ExpectedAlerts.NEVER
    is_warehouse_down: bool = False


_FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    seen: str,
    is_first: bool = False,
    alerts: ExpectedAlerts = ExpectedAlerts.NEVER,
    is_warehouse_down: bool = False,
) -> Callable[[Callable[[Rig], None]], Callable[[Rig], None]]:
    """Declare the decorated function as a fault."""

    def declare(strike: Callable[[Rig], None]) -> Callable[[Rig], None]:
        _FAULTS[name] = Fault(name, strike, seen, is_first, alerts, is_warehouse_down)
        return strike

    return declare


def faults() -> dict[str, Fault]:
    """Return every fault by name, as the modules in this package declare them."""
    for module in ("kills", "outside"):
        import_module(f"tests.fault.pipeline.{module}")
    return _FAULTS


def strike_and_heal(rig: Rig, fault: Fault) -> float:
    """Inject a fault into an idle pipeline. Return the seconds until every record is everywhere."""
    rig.begin()
    fault.strike(rig)
    return rig.heal(HEAL_SECONDS)
