"""A day of a million records, from landing to marts. Invariant: both sides get the same objects.

``python -m benchmarks.large_day`` starts a separate local stack, compares it with a plain script,
prints a table with goals, and exits with status 1 when a goal is missed. docs/benchmarks.md
describes the comparison.
"""

import io
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice
from typing import Annotated

import psycopg
import typer
from boto3.s3.transfer import TransferConfig

from benchmarks import machine
from benchmarks.figures import Figure, cpu, middle, ratio
from benchmarks.live import Live, days_from, running_stack
from benchmarks.measure import ROOT, Sample
from benchmarks.place import Place
from benchmarks.race import Tell
from benchmarks.report import put_between_markers, table
from scripts.cli import run_cli
from scripts.landing.keys import raw_key
from scripts.warehouse.ledger import withdraw

_DOCS = ROOT / "docs" / "benchmarks.md"
_FIRST_DAY = date(2026, 1, 1)
_EDITED_EVERY = 100  # of the posts, each day others
_BODY = "some words of a body " * 10
_IN_PARTS = TransferConfig(use_threads=False)  # the local S3 takes minutes for a large body at once
_GOAL = 0.7
_CASES = {
    "earthquakes": "a window of events",
    "posts": "a snapshot, 1 % of posts edited",
    "first posts": "the first snapshot",
}
_COLUMNS = ["a day", "", "rounds", "wall s", "CPU s client", "CPU s server"]

Pair = tuple[list[Sample], list[Sample]]


def posts(rows: int, day: date) -> bytes:
    """Return a snapshot as it lands. Each day other posts have another body than the rest."""
    edited = day.toordinal() % _EDITED_EVERY
    lines = (
        f'{{"userId":{n // 10 + 1},"id":{n},"title":"title {n}","body":"{_BODY}'
        f'{day if n % _EDITED_EVERY == edited else ""}"}}'
        for n in range(1, rows + 1)
    )
    return _array(lines)


def earthquakes(rows: int, day: date) -> bytes:
    """Return the events of a day as they land."""
    start = 1000 * int(time.mktime(day.timetuple()))
    lines = (
        f'{{"id":"{day}-{n}","properties":{{"mag":{2.5 + n % 50 / 10:.1f},'
        f'"place":"{n % 97} km N of a town","time":{start + n},"updated":{start + 2 * n}}}}}'
        for n in range(rows)
    )
    return _array(lines)


def _array(lines: Iterator[str]) -> bytes:
    return b"[\n%b\n]\n" % ",\n".join(lines).encode()


def measure(rows: int, rounds: int, tell: Tell) -> tuple[dict[str, str], dict[str, Pair]]:
    """Return the facts of the machine, and the samples (ours, floor) of each case."""
    found: dict[str, Pair] = {name: ([], []) for name in _CASES}
    with running_stack(PIPELINE_DBT_SINGLE_TASK="true") as live:
        facts = machine.pipeline_facts(live.server_version())
        plain, days = Place(live, "plain"), days_from(_FIRST_DAY)
        live.until_quiet()
        _forget_sample(live)
        for source, make, count in (
            ("earthquakes", earthquakes, 100),  # not measured: the first use of everything
            ("earthquakes", earthquakes, rows),
            ("posts", posts, rows),
        ):
            for number, day in enumerate(islice(days, rounds + (source == "posts"))):
                name = "first posts" if source == "posts" and number == 0 else source
                sample = _both(live, plain, raw_key(source, day), make(count, day), number, count)
                if count == rows:
                    for samples, one in zip(found[name], sample, strict=True):
                        samples.append(one)
                tell(f"{name}, {count:,}: {sample[0].seconds:.1f} s, {sample[1].seconds:.1f} s")
    return facts, found


def _both(
    live: Live, plain: Place, key: str, body: bytes, number: int, rows: int
) -> tuple[Sample, Sample]:
    """Process an object with both, the floor first in every second round."""

    def publish() -> None:
        live.until_object_published(key)

    def ours() -> Sample:
        _land(live, live.facts["bucket"], key, body)
        sample = live.sample(publish, rows)
        live.until_quiet()
        return sample

    def floor() -> Sample:
        _land(live, plain.name, key, body)
        return plain.process(key, rows)

    if number % 2:
        last = floor()
        return ours(), last
    return ours(), floor()


def _land(live: Live, bucket: str, key: str, body: bytes) -> None:
    live.s3.upload_fileobj(io.BytesIO(body), bucket, key, Config=_IN_PARTS)


def _forget_sample(live: Live) -> None:
    """Withdraw the days of the stack's own sample: the floor does not have them."""
    with psycopg.connect(live.facts["warehouse_loader_dsn"], autocommit=True) as connection:
        for source, day in live.query("select source, day from ops.loads where is_current"):
            live.s3.delete_object(Bucket=live.facts["bucket"], Key=raw_key(source, day))
            withdraw(connection, source, day)


def figures(found: dict[str, Pair], rows: int) -> Iterator[Figure]:
    """Yield the time and the CPU of a day of each case, relative to the floor."""
    for name, (ours, floor) in found.items():
        label = f"{rows:,} records, {_CASES[name]}"
        goal = None if name == "first posts" else _GOAL
        yield Figure(f"landed → published / floor, {label}", ratio(ours, floor), at_most=goal)
        yield Figure(f"CPU / floor, {label}", ratio(ours, floor, cpu))


def timings(found: dict[str, Pair]) -> list[list[str]]:
    """Return the rows of the table of times."""
    of: list[Callable[[Sample], float]] = [
        lambda sample: sample.seconds,
        lambda sample: sample.client_cpu,
        lambda sample: sample.server_cpu,
    ]
    return [
        [_CASES[name], who, str(len(taken)), *(f"{middle(taken, one):.1f}" for one in of)]
        for name, pair in found.items()
        for who, taken in zip(("ours", "plain script"), pair, strict=True)
    ]


def main(
    rows: Annotated[int, typer.Option(min=100, help="records of a day")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="rounds, of which the median counts")] = 3,
    *,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Compare a large day from landing to marts with a plain script."""
    started = time.monotonic()

    def tell(line: str) -> None:
        typer.echo(f"{time.monotonic() - started:6.0f} s {line}", err=True)

    facts, found = measure(rows, rounds, tell)
    reported = list(figures(found, rows))
    text = "\n\n".join(
        [
            table(["figure", "measured", "goal", ""], [figure.cells() for figure in reported]),
            table(_COLUMNS, timings(found)),
            "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        ]
    )
    typer.echo(text)
    if is_written:
        put_between_markers(_DOCS, "benchmarks.large_day", text)
    if missed := [figure.name for figure in reported if not figure.is_met]:
        typer.echo(f"missed: {'; '.join(missed)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
