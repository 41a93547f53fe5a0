"""A day of posts on PostgreSQL and on a lakehouse. Invariant: both get the same objects, by turns.

``python -m benchmarks.lakehouse`` starts a Postgres for each, and a Spark Connect engine, and
prints a table. docs/scaling.md describes the comparison. The engine is Sail, on the same machine.
"""

import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Annotated

import psutil
import typer

from benchmarks import machine
from benchmarks.figures import cpu, middle, peak_mb
from benchmarks.large_day import posts
from benchmarks.live import days_from
from benchmarks.local_store import LocalObjects
from benchmarks.measure import ROOT, Sample, environment, run_job, run_process, tree_cpu
from benchmarks.race import Tell
from benchmarks.report import put_between_markers, table
from benchmarks.warehouse import Warehouse, running_warehouse
from local.sail import packages, running_sail
from scripts.cli import run_cli
from scripts.errors import ConfigurationError
from scripts.landing.keys import raw_key
from scripts.settings import dbt_environment

_DOCS = ROOT / "docs" / "scaling.md"
_FIRST_DAY = date(2026, 1, 1)
_SIZES = (100_000, 1_000_000)
_SECONDS = 3600  # after which a build on the engine is ended
_DAYS = ("the first", "1 % of posts edited")
_COLUMNS = [
    "records",
    "a day",
    "warehouse",
    "rounds",
    "load s",
    "its CPU s",
    "loader's peak MB",
    "build and publish s",
    "its CPU s",
]
Case = tuple[int, str, str]  # records, day, warehouse
Pair = tuple[list[Sample], list[Sample]]  # of the load, and of build and publish


@dataclass(frozen=True)
class Side:
    """One of the two warehouses: its ledger, its environment, and the CPU of its servers."""

    ledger: Warehouse
    env: Mapping[str, str]
    server_cpu: Callable[[], float]

    def load(self, bucket: Path, rows: int, day: date) -> Sample:
        """Load the object of a day."""
        dsn = self.ledger.loader
        arguments = {"bucket": str(bucket), "dsn": dsn, "rows": rows, "day": day.isoformat()}
        return run_job("benchmarks.jobs.load", arguments, self.server_cpu, env=self.env)

    def build(self, rows: int) -> Sample:
        """Build, test and publish, as a whole process."""
        return run_process([sys.executable, "-m", "scripts.dbt"], self.env, self.server_cpu, rows)


@contextmanager
def both_sides() -> Iterator[dict[str, Side]]:
    """Yield an empty warehouse of each kind by its name."""
    with ExitStack() as stack:
        ledger, _ = stack.enter_context(running_warehouse())
        postgres = Side(ledger, _environment(ledger), ledger.cpu)
        ledger, folder = stack.enter_context(running_warehouse())
        sail = stack.enter_context(running_sail(folder / "sail"))
        engine = sail.managed.process()
        delta = sail.settings(str(folder / "lake"), _SECONDS)
        env = {**_environment(ledger), **delta, "PYTHONPATH": f"{ROOT}:{_packages()}"}
        admin = {"PIPELINE_WAREHOUSE_ADMIN_DSN": ledger.server.dsn("warehouse")}
        run_process([sys.executable, "-m", "scripts.migrate"], {**env, **admin}, float, 0)
        yield {
            "PostgreSQL": postgres,
            "lakehouse": Side(ledger, env, lambda: ledger.cpu() + _cpu(engine)),
        }


def _environment(ledger: Warehouse) -> dict[str, str]:
    return {**environment(), **dbt_environment(ledger.transformer(), environment())}


def _packages() -> Path:
    if found := packages():
        return found
    raise ConfigurationError("run `make .tools/lakehouse/.installed .tools/spark/.installed`")


def _cpu(engine: psutil.Process | None) -> float:
    return tree_cpu(engine) if engine else 0


def measure(
    rows: int, rounds: int, sides: Mapping[str, Side], tell: Tell
) -> Iterator[tuple[Case, Sample, Sample]]:
    """Yield each measured day of one size."""
    with tempfile.TemporaryDirectory(prefix="elt-benchmark-") as folder:
        bucket = Path(folder, "landing")
        for number, day in enumerate(islice(days_from(_FIRST_DAY), rounds + 1)):
            _land(bucket, raw_key("posts", day), posts(rows, day))
            turns = list(sides.items())[:: -1 if number % 2 else 1]
            for name, side in turns:
                loaded = side.load(bucket, rows, day)
                built = side.build(rows)
                tell(f"{rows:,}, {name}: {loaded.seconds:.1f} s, {built.seconds:.1f} s")
                yield (rows, _DAYS[bool(number)], name), loaded, built


def _land(bucket: Path, key: str, body: bytes) -> None:
    sha256 = {"Metadata": {"sha256": hashlib.sha256(body).hexdigest()}}
    LocalObjects(bucket.parent).upload_fileobj(io.BytesIO(body), bucket.name, key, sha256)


def timings(found: Mapping[Case, Pair]) -> Iterator[list[str]]:
    """Yield the rows of the table."""
    for (rows, day, name), (loads, builds) in sorted(found.items(), key=_place):
        yield [
            f"{rows:,}",
            day,
            name,
            str(len(loads)),
            f"{middle(loads):.1f}",
            f"{middle(loads, cpu):.1f}",
            f"{peak_mb(loads):,.0f}",
            f"{middle(builds):.1f}",
            f"{middle(builds, cpu):.1f}",
        ]


def _place(found: tuple[Case, Pair]) -> tuple[int, int, str]:
    (rows, day, name), _ = found
    return rows, _DAYS.index(day), name


def main(
    rows: Annotated[list[int] | None, typer.Option(min=100, help="records of a day")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="days after the first, by turns")] = 3,
    *,
    is_written: Annotated[bool, typer.Option("--write", help="write to docs/scaling.md")] = False,
) -> None:
    """Compare days on PostgreSQL and on a lakehouse, from the object to the published marts."""
    started = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s {line}", err=True)

    found: dict[Case, Pair] = {}
    facts: dict[str, str] = {}
    for size in rows or _SIZES:
        with both_sides() as sides:
            facts = facts or machine.lakehouse_facts(sides["PostgreSQL"].ledger)
            for case, loaded, built in measure(size, rounds, sides, tell):
                loads, builds = found.setdefault(case, ([], []))
                loads.append(loaded)
                builds.append(built)
    about = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    text = f"{table(_COLUMNS, list(timings(found)))}\n\n{about}"
    typer.echo(text)
    if is_written:
        put_between_markers(_DOCS, "benchmarks.lakehouse", text)


if __name__ == "__main__":
    run_cli(main)
