"""Run many schedules: ``python -m tests.sim --schedules 500``, or one: ``--seed 7 --schedules 1``.

Prints the seed and the steps of the first schedule that breaks a promise, and exits with status 1.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from local.postgres import LOCK_DOWN, PostgresServer
from local.processes import free_port
from scripts.cli import progress, run_cli
from scripts.migrate import migrate
from tests.conftest import _PASSWORDS, Warehouse
from tests.sim import project
from tests.sim.scheduler import Scheduler
from tests.sim.world import World

# One round of hashing a password is enough here: actors connect thousands of times.
_OPTIONS = ("fsync=off", "synchronous_commit=off", "scram_iterations=1", "max_wal_size=8GB")
_PATIENCE = "set lock_timeout = '5ms'"


@contextmanager
def simulated_warehouse() -> Iterator[tuple[Warehouse, psycopg.Connection[tuple[object, ...]]]]:
    """Yield a migrated warehouse on a server of its own, and a connection of its superuser."""
    with tempfile.TemporaryDirectory(prefix="elt-sim-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "data", free_port(), "sim-pw", _OPTIONS)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
                admin.execute("create role owner login createrole password 'owner-pw'")
                admin.execute("create database sim owner owner")
            with psycopg.connect(server.dsn("sim"), autocommit=True) as admin:
                admin.execute(LOCK_DOWN.read_bytes())
            migrate(server.dsn("sim", "owner", "owner-pw"), _PASSWORDS)
            warehouse = Warehouse(server, "sim")
            with psycopg.connect(warehouse.transformer, autocommit=True) as connection:
                project.create_marts(connection)
            with psycopg.connect(warehouse.admin, autocommit=True) as monitor:
                monitor.execute(_PATIENCE)
                yield warehouse, monitor
        finally:
            server.stop("immediate")


def simulate(
    warehouse: Warehouse,
    monitor: psycopg.Connection[tuple[object, ...]],
    seed: int,
    without: frozenset[str] = frozenset(),
) -> list[str]:
    """Run one schedule, `without` some actors. Return its steps.

    Raises:
        AssertionError: a promise was broken, or it does not end. Its notes are the steps.
    """
    scheduler = Scheduler(seed, monitor, kills=seed % 3)
    world = World(warehouse, scheduler, monitor, without)
    try:
        with world.begun():
            scheduler.run(world.oracle.check)
            world.finish()
    except AssertionError as violation:
        violation.add_note("\n".join(scheduler.trace))
        raise
    return scheduler.trace


def main(
    schedules: Annotated[int, typer.Option(min=1, help="how many")] = 500,
    seed: Annotated[int, typer.Option(help="of the first one")] = 1,
) -> None:
    """Let loaders, a producer, a build, the clean-up and a reader move in many orders."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of each dead connection
    began, steps, kills = time.monotonic(), 0, 0
    with simulated_warehouse() as (warehouse, monitor), progress() as show:
        for number in range(seed, seed + schedules):
            show(f"schedule {number - seed + 1:,} of {schedules:,}")
            try:
                trace = simulate(warehouse, monitor, number)
            except AssertionError as violation:
                typer.echo("\n".join(violation.__notes__), err=True)
                typer.echo(f"{violation}. Again: python -m tests.sim --schedules 1 --seed {number}")
                raise typer.Exit(1) from None
            steps += len(trace)
            kills += sum(step.endswith("killed") for step in trace)
    seconds = time.monotonic() - began
    typer.echo(
        f"{schedules:,} schedules, {steps:,} steps, {kills:,} kills, {seconds:.0f} s: no violation"
    )


if __name__ == "__main__":
    run_cli(main)
