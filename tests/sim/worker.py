"""A process that runs schedules on a warehouse of its own. Not in `__main__`: it is imported."""

import logging
from contextlib import ExitStack
from typing import Any

from tests.sim.schedules import Schedule, Simulated, simulate, watched

_held = ExitStack()  # the connection, until the process ends
_simulated: list[Simulated] = []


def begin(warehouses: Any) -> None:
    """Take a warehouse from a queue."""
    be_quiet()
    _simulated.append(_held.enter_context(watched(warehouses.get())))


def run(work: tuple[int, frozenset[str]]) -> Schedule:
    """Run the schedule of a seed, without some actors."""
    return simulate(_simulated[0], *work)


def be_quiet() -> None:
    """Do not log each dead connection and each parked object."""
    for name in ("psycopg", "scripts"):
        logging.getLogger(name).setLevel(logging.ERROR)
