"""Run the real stack through days of data and faults, drawn from a seed, and count every record.

``python -m tests.soak --days 30 --seed 1`` prints one line and exits 1 if anything is lost,
duplicated or mixed. Each day has one fault. The order is random, and no fault repeats before all
faults were used. Around the fault objects arrive, and days that are already loaded are rewritten.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import typer

from scripts.cli import run_cli
from tests.fault.pipeline.census import Census
from tests.fault.pipeline.fault import HEAL_SECONDS, Fault, faults
from tests.fault.pipeline.rig import Rig, rig
from tests.reports import DOCUMENT, counted, rewritten


@dataclass
class Soak:
    """The results of a soak: recovery seconds by fault, and the last count of each place."""

    heals: dict[str, list[float]] = field(default_factory=dict)
    records: int = 0
    found: list[Census] = field(default_factory=list)
    trouble: str = ""

    def line(self) -> str:
        """Return one line. Recovery seconds run from the fault until everything is published."""
        seconds = sorted(s for heals in self.heals.values() for s in heals)
        cuts = quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else seconds * 19
        p50, p95 = (f"{cuts[9]:.0f}s", f"{cuts[18]:.0f}s") if cuts else ("-", "-")
        counts = counted(self.found)
        return (
            f"records={self.records} {counts} faults={len(seconds)} heal_p50={p50} heal_p95={p95}"
        )


def drawn(days: int, chance: random.Random) -> Iterator[Fault]:
    """Yield a fault for each day: all of them in a random order, then again in a new order."""
    every, left = list(faults().values()), list[Fault]()
    for _ in range(days):
        left = left or chance.sample(every, len(every))
        yield left.pop()


def soak(built: Rig, days: int, chance: random.Random) -> Soak:
    """Run all days. End early and set `trouble` when the pipeline does not recover in time."""
    seen = Soak()
    for number, fault in enumerate(drawn(days, chance), 1):
        try:
            built.begin()
            before = list(built.book.days)
            fault.strike(built)
            if chance.random() < 0.5:
                built.drop(chance.choice(before))
            if chance.random() < 0.25:
                built.drop()
            healed = built.heal(HEAL_SECONDS)
            miscounted = built.miscounted(is_warehouse_down=fault.is_warehouse_down)
            assert not miscounted, miscounted
            causes = built.causes()
            assert fault.alerts.fits(causes), causes
        except AssertionError as error:
            seen.trouble = f"{fault.name}: {error}"
            break
        seen.heals.setdefault(fault.name, []).append(healed)
        typer.echo(f"day {number} of {days}: {fault.name}, healed in {healed:.0f} s", err=True)
    book = built.book
    seen.records = book.records().total() + book.all_earthquakes().total()
    seen.found = built.census()
    return seen


def written(document: str, seen: Soak, command: str) -> str:
    """Return the document with the soak's command, its result line and the table of faults."""
    rows = [f"| {f.name} | {f.seen} | {_healed(seen, f)} |\n" for f in faults().values()]
    table = "| fault | what the operator sees | healed in |\n|---|---|---|\n" + "".join(rows)
    section = f"Measured by `{command}`:\n\n```\n{seen.line()}\n```\n\n{table}"
    return rewritten(document, "soak", section)


def _healed(seen: Soak, fault: Fault) -> str:
    heals = seen.heals.get(fault.name)
    return f"{median(heals):.0f} s" if heals else "not yet"


def main(
    days: Annotated[int, typer.Option(min=1, help="number of days, one fault each")] = 30,
    seed: Annotated[int, typer.Option(help="seed of the random order")] = 1,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/reliability.md")
    ] = False,
) -> None:
    """Inject faults into the running pipeline for the given days, and count every record."""
    with tempfile.TemporaryDirectory(prefix="elt-kill-") as folder, rig(Path(folder)) as built:
        seen = soak(built, days, random.Random(seed))
    typer.echo(seen.line())
    if seen.trouble or any(seen.found):
        typer.echo(f"not healed: {seen.trouble or [f for f in seen.found if f]}", err=True)
        sys.exit(1)
    if is_written:
        command = f"make soak DAYS={days} SEED={seed} WRITE=1"
        DOCUMENT.write_text(written(DOCUMENT.read_text(), seen, command))


if __name__ == "__main__":
    run_cli(main)
