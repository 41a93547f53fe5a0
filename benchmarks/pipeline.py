"""The time from landing to marts, and the cost of an idle stack. Invariant: one run, one machine.

``python -m benchmarks.pipeline`` starts a separate local stack, compares it with a plain script,
prints tables with goals and verdicts, and exits with status 1 when a goal is missed.
docs/benchmarks.md describes the comparison and its reasons.
"""

import json
import signal
import time
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import machine
from benchmarks.idle import idle
from benchmarks.live import Live, days_from, running_stack
from benchmarks.measure import ROOT
from benchmarks.orchestrators import orchestrators
from benchmarks.pipeline_report import PipelineReport
from benchmarks.place import Place
from benchmarks.race import Tell
from benchmarks.report import put_between_markers
from benchmarks.rounds import Phase, backfill, ingest_arrival, phase
from scripts.cli import run_cli

_DOCS = ROOT / "docs" / "benchmarks.md"
_FIRST_DAY = date(2026, 1, 1)
_BACKFILLS_FROM = 2021  # one year for each backfill


def measure(
    rounds: int, idle_seconds: float, tell: Tell, *, with_peers: bool = False
) -> PipelineReport:
    """Measure everything on two stacks, one after the other. Each stops afterwards."""
    days = days_from(_FIRST_DAY)
    tell("starting the stack with the project's first models")
    with running_stack(first_models=True, PIPELINE_DBT_SINGLE_TASK="true") as live:
        first = _both_phases(live, Place(live, "plain"), days, rounds, tell)
    tell("starting the stack")
    with running_stack(PIPELINE_DBT_SINGLE_TASK="true") as live:
        facts = machine.pipeline_facts(live.server_version())
        arrivals = [ingest_arrival(live, day) for day in islice(days, rounds)]
        tell(f"first task after ingest: {', '.join(f'{s:.2f} s' for s in arrivals)}")
        present = _both_phases(live, Place(live, "plain"), days, rounds, tell)
        backfills = []
        for number in range(min(rounds, 3)):
            backfills.append(backfill(live, date(_BACKFILLS_FROM + number, 1, 1)))
            tell(f"backfill     {backfills[-1].seconds:8.2f} s, {backfills[-1].runs} runs")
        tell(f"waiting for {idle_seconds:.0f} s")
        live.until_quiet()
        waiting = idle(live, idle_seconds)
        others = {}
        if with_peers:
            live.stop()
            others = orchestrators(live, days, min(rounds, 3), tell)
            facts |= {"peers": machine.peer_versions()}
    phases = {**{f"first_{name}": phase for name, phase in first.items()}, **present}
    return PipelineReport(facts, phases, arrivals, backfills, waiting, others)


def _both_phases(
    live: Live, plain: Place, days: Iterator[date], rounds: int, tell: Tell
) -> dict[str, Phase]:
    """Measure a stack that starts with one task for all models, then one task per model."""
    single = phase(live, plain, days, rounds, "single", tell)
    live.stop()
    live.up()
    return {"single": single, "models": phase(live, plain, days, rounds, "models", tell)}


def main(
    rounds: Annotated[int, typer.Option(min=1, help="rounds, of which the median counts")] = 5,
    idle_seconds: Annotated[
        float, typer.Option(min=1, help="how long to measure the idle stack")
    ] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="write every sample")] = None,
    *,
    with_peers: Annotated[
        bool,
        typer.Option(
            "--peers/--no-peers", help="also measure the tutorial design, Dagster and Prefect"
        ),
    ] = False,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Compare the pipeline from landing to marts with a plain script, and measure idle cost."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped
    started = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s {line}", err=True)

    report = measure(rounds, idle_seconds, tell, with_peers=with_peers)
    typer.echo(report.markdown())
    if json_file:
        json_file.write_text(json.dumps(report.as_json(), indent=1))
    if is_written:
        put_between_markers(_DOCS, "benchmarks.pipeline", report.markdown())
    missed = [figure for figure in report.figures if not figure.is_met]
    if missed:
        typer.echo(f"missed: {'; '.join(figure.name for figure in missed)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
