"""Rounds of the pipeline and of the floor. Invariant: both get the same records for the same day.

Rounds are interleaved, every second one begins with the floor, and each begins on a quiet stack.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.live import INGEST, Live, key, wait_for
from benchmarks.measure import Sample
from benchmarks.place import Place
from benchmarks.race import Tell
from local.airflow import environment as airflow_environment
from local.run import TRANSFORM

BACKFILLED = 30
_ATTEMPTS = 5
_ONE_TASK = "dbt.build_and_publish"


@dataclass
class Phase:
    """The measurements with one way of building the models.

    Attributes:
        ours: from landed to published, in round order.
        floor: the plain script, in the same order.
        arrivals: seconds from an object's landing to the start of the first transform task.
        gaps: seconds from the end of a transform task to the start of the next one.
    """

    ours: list[Sample] = field(default_factory=list)
    floor: list[Sample] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Backfill:
    """Days that landed together: time from last landing to all published, and number of runs."""

    seconds: float
    runs: int


def phase(
    live: Live, plain: Place, days: Iterator[date], rounds: int, name: str, tell: Tell
) -> Phase:
    """Measure the rounds of one phase, after one warm-up round of each."""
    _warm_up(live, days, is_single=name == "single")
    plain.run_plain(next(days))
    found = Phase()

    def ours(day: date) -> None:
        sample, arrival, between = _land(live, day)
        found.ours.append(sample)
        found.arrivals.append(arrival)
        found.gaps.extend(between)
        tell(f"{name:<12} {sample.seconds:8.2f} s, first task after {arrival:.2f} s")

    def floor(day: date) -> None:
        sample = plain.run_plain(day)
        found.floor.append(sample)
        tell(f"{'floor':<12} {sample.seconds:8.2f} s")

    for number, day in enumerate(islice(days, rounds)):
        for turn in (floor, ours) if number % 2 else (ours, floor):
            turn(day)
    return found


def _warm_up(live: Live, days: Iterator[date], *, is_single: bool) -> None:
    """Land days until a run uses the new mode: Airflow may still have the previous DAG version."""
    for day in islice(days, _ATTEMPTS):
        live.put(day)
        run_id = live.until_published(day)
        live.until_quiet()
        if (_ONE_TASK in live.tasks(TRANSFORM, run_id)) == is_single:
            return
    raise RuntimeError("the DAG still has the previous mode")


def _land(live: Live, day: date) -> tuple[Sample, float, list[float]]:
    """Put an object as another producer. Return (sample, seconds until the first task, gaps)."""
    landed = datetime.now(UTC)
    runs: list[str] = []

    def work() -> None:
        live.put(day)
        runs.append(live.until_published(day))

    sample = live.sample(work)
    live.until_quiet()
    times = [
        tuple(datetime.fromisoformat(task[moment]) for moment in ("start_date", "end_date"))
        for task in live.tasks(TRANSFORM, runs[0]).values()
    ]
    arrival = _first_task(live, runs[0]) - landed
    return sample, arrival.total_seconds(), gaps_between(times)


def gaps_between(times: Sequence[tuple[datetime, ...]]) -> list[float]:
    """Return, for each task but the first ones, the seconds since the last end of another task.

    Args:
        times: start and end of each task.
    """
    ended = [(start, [end for _, end in times if end <= start]) for start, _ in sorted(times)]
    return [(start - max(ends)).total_seconds() for start, ends in ended if ends]


def _first_task(live: Live, run_id: str) -> datetime:
    return datetime.fromisoformat(live.tasks(TRANSFORM, run_id)["load"]["start_date"])


def ingest_arrival(live: Live, day: date) -> float:
    """Ingest a day and return seconds from the end of ingest to the start of the first task."""
    run_id = live.airflow().trigger(INGEST, {"day": day.isoformat()})
    first = _first_task(live, live.until_published(day))
    live.until_quiet()
    ended = datetime.fromisoformat(live.tasks(INGEST, run_id)["land"]["end_date"])
    return (first - ended).total_seconds()


def backfill(live: Live, first: date) -> Backfill:
    """Backfill thirty days through Airflow's command and measure from the last landing."""
    days = [first + timedelta(days=number) for number in range(BACKFILLED)]
    keys = [key(day) for day in days]
    _create_backfill(live, days[0], days[-1])
    wait_for(lambda: _landed(live, keys), lambda count: count == BACKFILLED, 0.1)
    started = time.perf_counter()
    published = """
        select count(*) from ops.loads
        where key = any(%s) and is_current and published_at is not null
    """
    wait_for(
        lambda: live.query(published, keys)[0][0],
        lambda count: count == BACKFILLED,
        0.02,
    )
    seconds = time.perf_counter() - started
    live.until_quiet()
    runs = live.query("select count(distinct run_id) from ops.loads where key = any(%s)", keys)
    return Backfill(seconds, runs[0][0])


def _landed(live: Live, keys: list[str]) -> int:
    pages = live.s3.get_paginator("list_objects_v2").paginate(
        Bucket=live.facts["bucket"], Prefix="raw/posts/"
    )
    return len({item["Key"] for page in pages for item in page.get("Contents", [])} & set(keys))


def _create_backfill(live: Live, first: date, last: date) -> None:
    days = ["--from-date", first.isoformat(), "--to-date", last.isoformat()]
    subprocess.run(
        [
            Path(sys.executable).with_name("airflow"),
            "backfill",
            "create",
            "--dag-id",
            INGEST,
            *days,
        ],
        env=airflow_environment(live.folder, live.stack.state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
