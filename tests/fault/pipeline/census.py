"""Count every record at the source, in S3, in raw and in the marts.

A record is its day, number, author, title and body. A number belongs to one day only. This makes a
record that is lost, duplicated, or left from a replaced version distinct from all others.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.stack import LocalStack

Record = tuple[date, int, int, str, str]
RECORDS_A_DAY = 20
FIRST_DAY = date(2024, 1, 1)
_RAW = """
    select day, id::bigint, (payload ->> 'userId')::bigint, payload ->> 'title', payload ->> 'body'
    from raw.posts
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


@dataclass
class Book:
    """The source: the records of every day as they were last served."""

    days: dict[date, list[dict[str, Any]]] = field(default_factory=dict)
    _days: Iterator[int] = field(default_factory=itertools.count)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _versions: Iterator[int] = field(default_factory=itertools.count)

    def new_day(self) -> date:
        """Return a day that was never served."""
        return FIRST_DAY + timedelta(days=next(self._days))

    def write(self, day: date) -> list[dict[str, Any]]:
        """Serve the records of a new day, or a new version of the same numbers for a known day."""
        known = [record["id"] for record in self.days.get(day, [])]
        numbers = known or list(itertools.islice(self._numbers, RECORDS_A_DAY))
        title = f"version {next(self._versions)} of {day}"
        self.days[day] = [
            {"userId": n % 7 + 1, "id": n, "title": f"{title}, record {n}", "body": "one\ntwo"}
            for n in numbers
        ]
        return self.days[day]

    def records(self) -> Counter[Record]:
        """Return the records that every place must hold."""
        return Counter(_record(day, post) for day, posts in self.days.items() for post in posts)


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
    expected = book.records()
    for place, look in _places(stack, book).items():
        found = Counter(look())
        surplus = found - expected
        doubled = sum(n for record, n in surplus.items() if record in expected)
        lost = (expected - found).total()
        yield Census(place, lost, doubled, surplus.total() - doubled)


def _places(stack: LocalStack, book: Book) -> dict[str, Callable[[], list[Any]]]:
    marts = {name: _of_marts(stack, statement) for name, statement in _MARTS.items()}
    return {**marts, "raw.posts": lambda: stack.query(_RAW), "S3": lambda: _objects(stack, book)}


def _of_marts(stack: LocalStack, statement: str) -> Callable[[], list[Any]]:
    return lambda: stack.marts(statement)


def _objects(stack: LocalStack, book: Book) -> list[Record]:
    s3, bucket, found = stack.s3(), stack.known["bucket"], []
    for day in book.days:
        key = f"raw/posts/{day}.json"
        if s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"]:
            posts = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            found += [_record(day, post) for post in posts]
    return found


def _record(day: date, post: dict[str, Any]) -> Record:
    return day, post["id"], post["userId"], post["title"], post["body"]
