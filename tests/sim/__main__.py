"""Run many schedules: ``python -m tests.sim --schedules 500``, or one: ``--seed 7 --schedules 1``.

If a schedule breaks a promise, the command looks for a shorter one that breaks one, too. It prints
its steps and the command that runs it again, and exits with status 1.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from scripts.cli import progress, run_cli
from tests.conftest import Warehouse
from tests.sim.schedules import Schedule, shortest, simulated_server, watched
from tests.sim.worker import be_quiet, begin, run


def main(
    schedules: Annotated[int, typer.Option(min=1, help="how many")] = 500,
    seed: Annotated[int, typer.Option(help="of the first one")] = 1,
    without: Annotated[list[str] | None, typer.Option(help="an actor that stays away")] = None,
    shorter: Annotated[bool, typer.Option(help="look for a shorter one that fails")] = True,
) -> None:
    """Let loaders, builds, an eraser and others move in many orders, each given by a seed."""
    jobs = min(os.cpu_count() or 1, schedules)
    work = [(number, frozenset(without or ())) for number in range(seed, seed + schedules)]
    began, done, steps, kills = time.monotonic(), 0, 0, 0
    with simulated_server(jobs + 1) as warehouses, progress() as show:
        context: Any = multiprocessing.get_context("spawn")
        given = context.Queue()
        for warehouse in warehouses[1:]:
            given.put(warehouse)
        with context.Pool(jobs, begin, (given,)) as pool:
            for schedule in pool.imap_unordered(run, work, chunksize=4):
                done, steps = done + 1, steps + len(schedule.steps)
                kills += schedule.kills
                show(f"{done:,} of {schedules:,} schedules")
                if schedule.violation:
                    pool.terminate()
                    short = _shortest(warehouses[0], schedule, show) if shorter else schedule
                    _report(short, schedule)
    seconds = time.monotonic() - began
    typer.echo(
        f"{done:,} schedules, {steps:,} steps, {kills:,} kills, {seconds:.0f} s: no violation"
    )


def _shortest(warehouse: Warehouse, found: Schedule, show: Callable[[str], None]) -> Schedule:
    be_quiet()
    with watched(warehouse) as simulated:
        return shortest(simulated, found, show)


def _report(short: Schedule, found: Schedule) -> None:
    """Print a schedule and how to run it again, and exit with status 1."""
    typer.echo("\n".join(short.steps))
    typer.echo(f"{short.violation}, after {len(short.steps)} steps. Again: {short.command()}")
    if short != found:
        typer.echo(f"It was found with --seed {found.seed} ({len(found.steps)} steps)")
    raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
