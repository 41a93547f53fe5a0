"""The cost of dbt in Airflow, the gain of incremental models. Invariant: a table is of one run.

``python -m benchmarks.dbt`` measures, prints a table with goals, and exits with status 1 when a
goal is missed. docs/benchmarks.md describes the comparison.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import psycopg
import typer

from benchmarks import dbt_in_airflow, machine
from benchmarks.figures import Figure
from benchmarks.measure import DBT, ROOT
from benchmarks.report import put_between_markers, table
from benchmarks.warehouse import Warehouse, running_warehouse
from scripts.cli import run_cli
from scripts.settings import dbt_environment

_DOCS = ROOT / "docs" / "benchmarks.md"
_DAYS, _ROUNDS = 31, 3
_QUIET = ["--quiet", "--log-level-file", "none"]
_PLACE = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt")]
_RUN = [*_QUIET, "run", *_PLACE]
_DRAW = """
import runpy, sys, time
from airflow.sdk import DAG
for _ in range(6):
    started = time.process_time()
    runpy.run_path("dags/transform_posts.py")
    print("CPU", time.process_time() - started)
"""
_LOAD = """
    with new as (
        insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, sha256,
            state, received, loaded, rejected, seconds, is_current)
        values (%(load_id)s, 'posts', %(day)s, 'k', 'e', now(), 1, 'ab', 'loaded', %(rows)s,
            %(rows)s, 0, 1, true)
    )
    insert into raw.posts_rows
    select %(load_id)s, n, n %% 1000, n, 'title',
        repeat('some words of a body ', 10) ||
            case when n %% 100 = %(edited)s then (%(load_id)s)::text else '' end
    from generate_series(1, %(rows)s) as n
"""


def drawing() -> list[Figure]:
    """Return the CPU seconds of executing the DAG file, first and again in one process."""
    samples = []
    for _ in range(_ROUNDS):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _DRAW],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [line.split() for line in done.stdout.splitlines()]  # Cosmos also logs to stdout
        first, *again = (float(line[1]) for line in lines if line[:1] == ["CPU"])
        samples.append((first, median(again)))
    first, repeated = (median(times) for times in zip(*samples, strict=True))
    return [
        Figure("drawing transform_posts, first", first, "s CPU", at_most=1.5),
        Figure("drawing transform_posts, again", repeated, "s CPU", at_most=0.1),
    ]


def history(warehouse: Warehouse, rows: int, tell: Callable[[str], None]) -> list[Figure]:
    """Return the cost of one new day as a share of computing all days."""
    dsn = warehouse.transformer()
    for day in range(1, _DAYS + 1):
        _load(warehouse, day, day, rows)
    _processes(dsn, [*_RUN, "--full-refresh"])
    tell(f"{_DAYS} days of {rows:,} posts")
    warm, whole = [], []
    for number in range(_ROUNDS):
        _load(warehouse, _DAYS, _DAYS + 2 * number + 1, rows)
        warm.append(_in_one_process(dsn))
        _load(warehouse, _DAYS, _DAYS + 2 * number + 2, rows)
        whole.append(_processes(dsn, _RUN, [*_RUN, "--full-refresh"]))
        for label, (day_seconds, all_seconds) in (("warm", warm[-1]), ("whole", whole[-1])):
            tell(f"{label}: a day {day_seconds:.1f} s, all of them {all_seconds:.1f} s")
    label = f"a new day of {rows:,} posts / full refresh"
    return [
        Figure(f"{label}, dbt preloaded", _ratio(warm), at_most=0.25),
        Figure(f"{label}, whole processes", _ratio(whole)),
    ]


def _ratio(rounds: list[list[float]]) -> float:
    return median(incremental / full for incremental, full in rounds)


def _load(warehouse: Warehouse, day: int, load_id: int, rows: int) -> None:
    """Replace the content of a day."""
    with psycopg.connect(warehouse.loader) as connection:
        connection.execute(
            "update ops.loads set is_current = false where source = 'posts' and day = %s",
            [f"2026-01-{day:02}"],
        )
        connection.execute(
            _LOAD,
            {"day": f"2026-01-{day:02}", "load_id": load_id, "rows": rows, "edited": day},
        )
    with psycopg.connect(warehouse.loader, autocommit=True) as connection:
        connection.execute("vacuum analyze raw.posts_rows")


def _in_one_process(dsn: str) -> list[float]:
    """Return the seconds of a run and of a full refresh with dbt already imported."""
    commands = [[*_QUIET, "parse", *_PLACE], _RUN, [*_RUN, "--full-refresh"]]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.jobs.dbt_runs", json.dumps(commands)],
        cwd=ROOT,
        env=dbt_environment(dsn),
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def _processes(dsn: str, *commands: list[str]) -> list[float]:
    """Return the seconds of each command, each in a separate process."""
    seconds = []
    for command in commands:
        started = time.perf_counter()
        subprocess.run([DBT, *command], env=dbt_environment(dsn), check=True)
        seconds.append(time.perf_counter() - started)
    return seconds


def main(
    rows: Annotated[int, typer.Option(min=1000, help="posts per day")] = 100_000,
    *,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Compare dbt inside Airflow with a plain build, and a new day with a full refresh."""
    started = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s {line}", err=True)

    with running_warehouse() as (warehouse, _):
        facts = machine.facts(warehouse, with_peers=False)
        figures = [*drawing(), *history(warehouse, rows, tell)]
    figures += dbt_in_airflow.figures(tell)
    rows_told = [figure.cells() for figure in figures]
    about = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    text = f"{table(['figure', 'measured', 'goal', ''], rows_told)}\n\n{about}"
    typer.echo(text)
    if is_written:
        put_between_markers(_DOCS, "benchmarks.dbt", text)
    if missed := [figure.name for figure in figures if not figure.is_met]:
        typer.echo(f"missed: {'; '.join(missed)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
