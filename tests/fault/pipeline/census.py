"""Count every record at the source, in S3, in raw and in the marts.

A post is its day, number, author, title and body. A number belongs to one day only. An earthquake
is its day, name and magnitude. This makes a record that is lost, duplicated, or left from a
replaced version distinct from all others.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

from local.sample_earthquakes import Earthquakes
from scripts.landing.keys import raw_key
from tests.stack import LocalStack

Record = tuple[Any, ...]
RECORDS_A_DAY = 20
FIRST_DAY = date(2024, 1, 1)
_RAW = """
    select day, id, user_id, title, body
    from raw.posts
"""
_RAW_EARTHQUAKES = """
    select day, id, (properties ->> 'mag')::float8 from raw.earthquakes
"""
_MARTS = {
    "marts.fct_post_changes": """
        select day, post_id, author_id, title, body from marts.fct_post_changes
        where change <> 'deleted'
    """,
    "marts.fct_posts": """
        select first_seen_day, post_id, author_id, title, body from marts.fct_posts
    """,
}
_EARTHQUAKE_DAYS = "select day, earthquakes, strongest::float8 from marts.fct_earthquake_days"


@dataclass
class Book:
    """The sources: the records of every day as they were last served.

    Posts are snapshots, and each day has posts of its own. Earthquakes are windows.
    """

    days: dict[date, list[dict[str, Any]]] = field(default_factory=dict)
    earthquakes: dict[date, list[dict[str, Any]]] = field(default_factory=dict)
    records_a_day: int = RECORDS_A_DAY
    _days: Iterator[int] = field(default_factory=itertools.count)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _versions: Iterator[int] = field(default_factory=itertools.count)

    def new_day(self) -> date:
        """Return a day that was never served."""
        return FIRST_DAY + timedelta(days=next(self._days))

    def write(self, day: date) -> list[dict[str, Any]]:
        """Serve the records of a new day, or a new version of the same numbers for a known day."""
        known = [record["id"] for record in self.days.get(day, [])]
        numbers = known or list(itertools.islice(self._numbers, self.records_a_day))
        title = f"version {next(self._versions)} of {day}"
        self.days[day] = [
            {"userId": n % 7 + 1, "id": n, "title": f"{title}, record {n}", "body": "one\ntwo"}
            for n in numbers
        ]
        return self.days[day]

    def write_earthquakes(self, day: date) -> list[dict[str, Any]]:
        """Serve other earthquakes of a day than before."""
        self.earthquakes[day] = Earthquakes(next(self._versions)).of_day(day)
        return self.earthquakes[day]

    def records(self) -> Counter[Record]:
        """Return the posts that every place must hold."""
        return Counter(_record(day, post) for day, posts in self.days.items() for post in posts)

    def all_earthquakes(self) -> Counter[Record]:
        """Return the earthquakes that every place must hold."""
        return Counter(
            _earthquake(day, one) for day, found in self.earthquakes.items() for one in found
        )

    def earthquake_days(self) -> Counter[Record]:
        """Return each day with the number of its earthquakes and the magnitude of the strongest."""
        strongest = {
            day: max(one["properties"]["mag"] for one in found)
            for day, found in self.earthquakes.items()
        }
        return Counter((day, len(self.earthquakes[day]), mag) for day, mag in strongest.items())


@dataclass(frozen=True)
class Census:
    """The difference between a place and the book, in records.

    `lost` counts missing records, `duplicated` counts extra copies, and `mixed` counts records of a
    replaced version.
    """

    place: str
    lost: int
    duplicated: int
    mixed: int

    def __bool__(self) -> bool:
        """Return whether anything is wrong."""
        return bool(self.lost or self.duplicated or self.mixed)


def census(stack: LocalStack, book: Book) -> Iterator[Census]:
    """Compare each place with the book, starting with the place that is updated last."""
    for place, expected, look in _places(stack, book):
        found = Counter(look())
        surplus = found - expected
        doubled = sum(n for record, n in surplus.items() if record in expected)
        lost = (expected - found).total()
        yield Census(place, lost, doubled, surplus.total() - doubled)


def _places(
    stack: LocalStack, book: Book
) -> Iterator[tuple[str, Counter[Record], Callable[[], list[Any]]]]:
    posts, earthquakes = book.records(), book.all_earthquakes()
    for name, statement in _MARTS.items():
        yield name, posts, partial(stack.marts, statement)
    days = book.earthquake_days()
    yield "marts.fct_earthquake_days", days, partial(stack.marts, _EARTHQUAKE_DAYS)
    yield "raw.posts", posts, partial(stack.query, _RAW)
    yield "raw.earthquakes", earthquakes, partial(stack.query, _RAW_EARTHQUAKES)
    yield "S3 posts", posts, partial(_objects, stack, "posts", book.days, _record)
    found = partial(_objects, stack, "earthquakes", book.earthquakes, _earthquake)
    yield "S3 earthquakes", earthquakes, found


def _objects(
    stack: LocalStack,
    source: str,
    days: Iterable[date],
    record: Callable[[date, dict[str, Any]], Record],
) -> list[Record]:
    s3, bucket, found = stack.s3(), stack.known["bucket"], []
    for day in days:
        key = raw_key(source, day)
        if s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"]:
            records = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            found += [record(day, one) for one in records]
    return found


def _record(day: date, post: dict[str, Any]) -> Record:
    return day, post["id"], post["userId"], post["title"], post["body"]


def _earthquake(day: date, one: dict[str, Any]) -> Record:
    return day, one["id"], float(one["properties"]["mag"])
