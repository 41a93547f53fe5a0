"""One schedule, on a separate database, and the shortest one that breaks a promise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql

from local.postgres import LOCK_DOWN, PostgresServer
from local.processes import free_port
from scripts.migrate import migrate
from tests.conftest import _PASSWORDS, Warehouse
from tests.sim import project
from tests.sim.connections import connections_reused
from tests.sim.ending import finish
from tests.sim.scheduler import Scheduler
from tests.sim.world import SLOW, World, owner_dsn

# One round of hashing a password is enough here: actors connect thousands of times.
_OPTIONS = (
    "fsync=off",
    "synchronous_commit=off",
    "scram_iterations=1",
    "max_wal_size=8GB",
    "deadlock_timeout=50ms",
)
_PATIENCE = "set lock_timeout = '5ms'"
_TRIES = 20  # seeds, for each actor that may stay away

# What ends a schedule: a broken promise, or an error that no actor of a real pipeline expects.
_WRONG = (AssertionError, AttributeError, LookupError, TypeError, ValueError, psycopg.Error)

Simulated = tuple[Warehouse, psycopg.Connection[Any]]


@dataclass(frozen=True)
class Schedule:
    """What happened. `violation` is the promise that was broken, if one was."""

    seed: int
    steps: list[str]
    violation: str
    actors: frozenset[str]
    without: frozenset[str]

    @property
    def kills(self) -> int:
        return sum(step.endswith(": killed") for step in self.steps)

    def command(self) -> str:
        """Return what runs it again."""
        options = "".join(f" --without '{name}'" for name in sorted(self.without))
        return f"python -m tests.sim --schedules 1 --seed {self.seed}{options}"


@contextmanager
def simulated_server(databases: int) -> Iterator[list[Warehouse]]:
    """Yield migrated warehouses on one server."""
    with TemporaryDirectory(prefix="elt-sim-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "data", free_port(), "sim-pw", _OPTIONS)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
                admin.execute("create role owner login createrole password 'owner-pw'")
            yield [_warehouse(server, f"sim_{number}") for number in range(databases)]
        finally:
            server.stop("immediate")


def _warehouse(server: PostgresServer, name: str) -> Warehouse:
    create = sql.SQL("create database {} owner owner").format(sql.Identifier(name))
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
        admin.execute(create)
    with psycopg.connect(server.dsn(name), autocommit=True) as admin:
        admin.execute(LOCK_DOWN.read_bytes())
    warehouse = Warehouse(server, name)
    migrate(owner_dsn(warehouse), _PASSWORDS)
    with psycopg.connect(warehouse.transformer, autocommit=True) as connection:
        project.create_marts(connection)
    return warehouse


@contextmanager
def watched(warehouse: Warehouse) -> Iterator[Simulated]:
    """Yield a warehouse with a connection that no actor uses and that waits for no lock."""
    with psycopg.connect(warehouse.admin, autocommit=True) as monitor:
        monitor.execute(_PATIENCE)
        with connections_reused():
            yield warehouse, monitor


def simulate(simulated: Simulated, seed: int, without: frozenset[str] = frozenset()) -> Schedule:
    """Run one schedule, `without` some actors."""
    warehouse, monitor = simulated
    scheduler = Scheduler(seed, monitor, kills=seed % 3, slow=SLOW)
    world = World(warehouse, scheduler, monitor, without)
    violation = ""
    try:
        with world.begun():
            scheduler.run(world.check)
            finish(world)
    except _WRONG as broken:
        violation = f"{type(broken).__name__}: {broken}"
    return Schedule(seed, scheduler.trace, violation, world.names, without)


def shortest(simulated: Simulated, found: Schedule, show: Callable[[str], None]) -> Schedule:
    """Return the shortest schedule, with fewer actors or another seed, that breaks a promise."""
    for name in sorted(found.actors):
        show(f"looking for a shorter schedule, without {name}")
        for seed in (found.seed, *range(1, _TRIES)):
            tried = simulate(simulated, seed, found.without | {name})
            if tried.violation and len(tried.steps) < len(found.steps):
                found = tried
                break
    return found
