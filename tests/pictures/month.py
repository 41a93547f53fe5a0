"""Thirty days of history for the pictures. Invariant: the same days on every machine.

The real code lands, loads and publishes the days. Their timestamps are then moved to realistic
hours. Most days are normal, some are late, some have records without an id, one object is parked.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from local.sample_data import Sample
from local.state import BUCKET
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.load import load_work
from scripts.reconcile.pending import plan_work
from scripts.settings import RunSettings
from sources import SOURCES
from tests.stack import LocalStack

DAYS = 30
SEED = 7
TODAYS_POSTS = 137
_LATE = {("comments", 23): 8.5, ("posts", 16): 11.0, ("comments", 9): 7.25}  # hours, by days back
_BROKEN = {("posts", 19): 3, ("comments", 12): 9, ("comments", 4): 24}  # records without an id
_PARKED = ("users", 6)
_EVERY = {"posts": 1, "comments": 2, "users": 3}
_MOVE = """
    update ops.loads set
        loaded_at = least(day + %(after)s, loaded_at),
        published_at = case when published_at is not null
            then least(day + %(after)s + %(builds)s, published_at) end
    where source = %(source)s and day = %(day)s
"""


def month() -> Iterator[tuple[int, date]]:
    """Yield each day up to today with its distance from today in days, oldest first."""
    today = datetime.now(UTC).date()
    for back in range(DAYS - 1, -1, -1):
        yield back, today - timedelta(days=back)


def land_and_load(stack: LocalStack, report: Callable[[str], None]) -> None:
    """Put every past day into the landing zone as another program does, and load it."""
    client = stack.s3()
    past = [*month()][:-1]
    for back, day in past:
        for source in SOURCES:
            client.put_object(Bucket=BUCKET, Key=raw_key(source, day), Body=_body(source, back))
    store, dsn, settings = Store(client, BUCKET), stack.known["warehouse_loader_dsn"], RunSettings()
    work = plan_work(store, dsn, settings)
    for number, _ in enumerate(load_work(work, store, dsn, settings, "backfill"), 1):
        if number % 30 == 0:
            report(f"loaded {number} of {len(work.objects)} objects")


def move_to_their_hours(stack: LocalStack) -> None:
    """Move each published day to two minutes past midnight, or later for a late day."""
    with psycopg.connect(stack.known["warehouse_loader_dsn"]) as connection:
        for back, day in month():
            for source, number in _EVERY.items():
                late = timedelta(hours=_LATE.get((source, back), 0))
                after = late + timedelta(minutes=2, seconds=number * 7 + back % 4)
                builds = timedelta(seconds=38 + (back * 11 + number) % 23)
                values = {"source": source, "day": day, "after": after, "builds": builds}
                connection.execute(_MOVE, values)


def _body(source: str, back: int) -> bytes:
    """Return a day of a source: slightly more or fewer posts than the day before, some edited."""
    if (source, back) == _PARKED:
        return b"<html><body>502 Bad Gateway</body></html>"
    edited = {back: {"title": f"edited {back} days ago"}}
    sample = Sample(TODAYS_POSTS - back * 7 % 11, SEED, edited)
    records: list[dict[str, Any]] = [sample.record(source, n) for n in sample.ids(source)]
    for record in records[: _BROKEN.get((source, back), 0)]:
        record["id"] = None
    return json.dumps(records).encode()
