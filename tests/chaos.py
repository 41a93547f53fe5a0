"""Stop Postgres immediately, again and again, while days land, are rewritten and published.

``python -m tests.chaos --minutes 30 --seed 1`` prints one line and exits 1 if a record is lost,
duplicated or mixed. The server holds the warehouse and Airflow's metadata. After each stop
``python -m local up`` starts what has died, as an init system would.
"""

import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from scripts.cli import run_cli
from tests.fault.pipeline.census import Census
from tests.fault.pipeline.rig import Rig, rig
from tests.reports import DOCUMENT, counted, rewritten

_SECONDS_BETWEEN = (5, 40)
_RECORDS_A_DAY = 250
_HEAL_SECONDS = 900


@dataclass
class Chaos:
    """The results: how often the server was stopped, and the last count of each place."""

    stops: int = 0
    landed: int = 0
    rewritten: int = 0
    records: int = 0
    healed: float = 0
    found: list[Census] = field(default_factory=list)

    def line(self) -> str:
        """Return one line. A record is counted once, also if its day was rewritten."""
        return (
            f"records={self.records} {counted(self.found)} stops={self.stops} days={self.landed} "
            f"rewritten={self.rewritten} healed={self.healed:.0f}s"
        )


def chaos(built: Rig, minutes: float, chance: random.Random) -> Chaos:
    """Stop the server for some minutes, then wait until everything is published."""
    seen = Chaos()
    built.begin()
    built.book.records_a_day = _RECORDS_A_DAY
    ends = time.monotonic() + 60 * minutes
    while time.monotonic() < ends:
        _write(built, chance, seen)
        time.sleep(chance.uniform(*_SECONDS_BETWEEN))
        built.inside.postgres.stop("immediate")
        seen.stops += 1
        _write(built, chance, seen)
        done = built.stack.command("up")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        left = max(0, ends - time.monotonic())
        typer.echo(f"{seen.stops} stops, {seen.landed} days, {left:.0f} s left", err=True)
    built.mark()
    seen.healed = built.heal(_HEAL_SECONDS)
    seen.records = built.book.records().total() + built.book.all_earthquakes().total()
    seen.found = built.census()
    return seen


def _write(built: Rig, chance: random.Random, seen: Chaos) -> None:
    """Let a new day land, and perhaps rewrite one that has landed before."""
    built.drop()
    seen.landed += 1
    if chance.random() < 0.5:
        built.drop(chance.choice(list(built.book.days)))
        seen.rewritten += 1


def main(
    minutes: Annotated[float, typer.Option(min=0, help="how long the server is stopped")] = 30,
    seed: Annotated[int, typer.Option(help="seed of the times and the days")] = 1,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/reliability.md")
    ] = False,
) -> None:
    """Stop Postgres every 5 to 40 seconds for some minutes, and count every record."""
    with tempfile.TemporaryDirectory(prefix="elt-kill-") as folder, rig(Path(folder)) as built:
        seen = chaos(built, minutes, random.Random(seed))
    typer.echo(seen.line())
    if any(seen.found):
        typer.echo(f"not healed: {[place for place in seen.found if place]}", err=True)
        sys.exit(1)
    if is_written:
        command = f"make chaos MINUTES={minutes:g} SEED={seed} WRITE=1"
        section = f"Measured by `{command}`:\n\n```\n{seen.line()}\n```\n"
        DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), "chaos", section))


if __name__ == "__main__":
    run_cli(main)
