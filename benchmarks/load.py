"""The speed of a load, compared with other tools. Invariant: a table is of one run.

``python -m benchmarks.load`` measures, prints tables with goals and verdicts, and exits with status
1 when a goal is missed. docs/benchmarks.md describes the comparison and its reasons.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import extraction, figures, machine, small
from benchmarks.figures import Figure, Samples, middle
from benchmarks.growth import WEEK, Growth, growth
from benchmarks.measure import ROOT
from benchmarks.objects import Objects
from benchmarks.peers import environment
from benchmarks.picture import picture
from benchmarks.race import OURS, Contender, Tell, peers, race
from benchmarks.report import Report, put_between_markers
from benchmarks.warehouse import Warehouse, running_warehouse
from scripts.cli import run_cli

_SMALL_SIZE = 100_000
_HUGE = 10_000_000
_DOCS = ROOT / "docs" / "benchmarks.md"
_PICTURE = ROOT / "docs" / "benchmarks-load.svg"


def measure(
    rows: int,
    rounds: int,
    tell: Tell,
    *,
    with_peers: bool,
    is_full: bool,
) -> Report:
    """Measure everything. The goals apply to the size `rows`."""
    groups = [*OURS, *(peers(environment.ready("loaders")) if with_peers else ())]
    with running_warehouse() as (warehouse, folder):
        facts = machine.facts(warehouse, with_peers=with_peers)
        loads = {
            size: _race(groups, warehouse, folder, size, rounds, tell)
            for size in sorted({min(_SMALL_SIZE, rows), rows})
        }
        with extraction.web(folder) as url:
            extracted = extraction.extraction(url, Objects(folder, rows), min(rounds, 9), tell)
            hundred = Objects(folder, small.ROWS)
            hundred.make(with_bad=False)
            commands = small.small(url, hundred, warehouse, rounds, tell)
        per_day = min(_SMALL_SIZE, rows)
        grown = [growth(warehouse, folder, per_day, days) for days in (1, WEEK)]
        if is_full:
            loads[_HUGE] = _race(_one_load(), warehouse, folder, _HUGE, 1, tell)
    return Report(
        facts=facts,
        labels={contender.name: contender.label for group in groups for contender in group},
        loads=loads,
        extractions=extracted,
        small=commands,
        grown=grown,
        figures=_figures(rows, loads, extracted, commands, grown),
    )


def _race(
    groups: Sequence[Sequence[Contender]],
    warehouse: Warehouse,
    folder: Path,
    rows: int,
    rounds: int,
    tell: Tell,
) -> Samples:
    tell(f"{rows:>10,} rows: writing the objects")
    objects = Objects(folder, rows)
    objects.make()
    return race(groups, warehouse, objects, rounds, tell)


def _one_load() -> Sequence[Sequence[Contender]]:
    """Return the limit and one load: one measurement shows the memory that a size needs."""
    wanted = ("limit", "load")
    return [[c for c in group if c.name in wanted] for group in OURS]


def _figures(
    rows: int,
    loads: Mapping[int, Samples],
    extracted: Samples,
    commands: Samples,
    grown: Sequence[Growth],
) -> list[Figure]:
    return [
        *figures.load_figures(loads[rows]),
        *figures.memory_figures(loads),
        *figures.growth_figures(grown),
        *figures.extraction_figures(extracted),
        *figures.small_figures(commands),
    ]


def write(report: Report, rows: int) -> None:
    """Write the tables into docs/benchmarks.md and the picture beside it."""
    put_between_markers(_DOCS, "benchmarks.load", report.markdown())
    samples = report.loads[rows]
    speeds = {report.labels[n]: middle(s, lambda x: x.rows / x.seconds) for n, s in samples.items()}
    ours = {report.labels[name]: "ours" for name in ("load", "rerun", "bad")}
    title = f"JSON array to Postgres, {rows:,} rows: rows per second"
    _PICTURE.write_text(picture(title, speeds, {**ours, report.labels["limit"]: "limit"}))


def main(
    rows: Annotated[int, typer.Option(min=1000, help="rows of the large object")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="rounds, of which the median counts")] = 31,
    json_file: Annotated[Path | None, typer.Option("--json", help="write every sample")] = None,
    *,
    with_peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="also measure dlt, pandas and the hook")
    ] = True,
    is_full: Annotated[bool, typer.Option("--full", help="also load 10,000,000 rows once")] = False,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Compare load and extraction with their limits and with other tools."""
    started = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s {line}", err=True)

    report = measure(rows, rounds, tell, with_peers=with_peers, is_full=is_full)
    typer.echo(report.markdown())
    if json_file:
        json_file.write_text(json.dumps(report.as_json(), indent=1))
    if is_written:
        write(report, rows)
    missed = [figure for figure in report.figures if not figure.is_met]
    if missed:
        typer.echo(f"missed: {'; '.join(figure.name for figure in missed)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
