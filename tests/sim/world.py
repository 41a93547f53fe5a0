"""A warehouse, a bucket and the actors of one schedule, and what must be true after each step.

Actors are a producer, the runs of the transform, a loader beside it, a manual build, and a reader
with an open snapshot. Loads, clean-up and locks are the code of the pipeline. The tasks of dbt are
short SQL in their place: pin, read what is pinned, publish.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from hashlib import sha256
from typing import Any, cast

import psycopg

from scripts.errors import PipelineError
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load import superseded
from scripts.load.attempt import LoadResult
from scripts.load.load import load
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect
from scripts.warehouse.dbt_lock import dbt_lock
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.sim.bucket import Bucket, Version
from tests.sim.scheduler import Scheduler

DAY = date(2026, 1, 31)
KEY = raw_key("posts", DAY)
SETTINGS = RunSettings(max_reject_share=0.5)
Rows = list[tuple[int, Any]]  # position and record

_CURRENT = """
    select load_id, version_id, received, loaded, rejected from ops.loads
    where source = 'posts' and is_current
"""
_ROWS = "select position, payload from raw.posts_rows where load_id = %s order by position"
_REJECTS = "select count(*) from ops.rejects where load_id = %s"
_VISIBLE = """
    select load_id, position, payload from ops.loads inner join raw.posts_rows using (load_id)
    where source = 'posts' and is_current order by load_id, position
"""
_PARKED = """
    select state = 'parked' from ops.loads where source = 'posts' order by load_id desc limit 1
"""
_LEFTOVER = """
    select distinct load_id from raw.posts_rows
    where load_id not in (select load_id from ops.loads where is_current)
        and load_id not in (select load_id from build.pinned_loads)
"""


@dataclass(frozen=True)
class Content:
    """What the producer can put. `rows` is what a load of it brings, None if it must be parked."""

    body: bytes
    rows: Rows | None
    promise: str | None = None


def _post(number: int, title: str) -> dict[str, Any]:
    return {"userId": 1, "id": number, "title": title, "body": "b"}


def _body(records: list[Any]) -> bytes:
    return b"[\n" + b",\n".join(json.dumps(record).encode() for record in records) + b"\n]\n"


def _contents() -> dict[str, Content]:
    first = [_post(n, "first") for n in range(4)]
    second = [_post(n, "second") for n in (5, 1, 3)]  # not in the order of the keys
    rejected = [_post(1, "third"), {"id": "x"}, _post(2, "third"), _post(3, "third")]
    twice = [_post(1, "fourth"), _post(2, "fourth"), _post(1, "another"), _post(3, "fourth")]
    twice += [_post(4, "fourth")]
    found = {
        "first": Content(_body(first), list(enumerate(first))),
        "second": Content(_body(second), list(enumerate(second))),
        "rejected": Content(_body(rejected), [(n, rejected[n]) for n in (0, 2, 3)]),
        "twice": Content(_body(twice), [(n, twice[n]) for n in (1, 3, 4)]),
        "truncated": Content(_body(first)[:-30], None),
        "empty": Content(_body([])[:1] + b"]", None),
    }
    promised = {
        name: Content(one.body, one.rows, sha256(one.body).hexdigest())
        for name, one in found.items()
    }
    lying = {"lying": Content(_body(first), None, sha256(_body(second)).hexdigest())}
    return {**{f"foreign {name}": one for name, one in found.items()}, **promised, **lying}


CONTENTS = _contents()


class ViolationError(AssertionError):
    """Something that must never be true was true after a step."""


@dataclass
class World:
    """The state of one schedule."""

    warehouse: Warehouse
    scheduler: Scheduler
    monitor: psycopg.Connection[Any]
    puts: list[Content] = field(default_factory=list)
    newest: int = 0  # version that was current
    at_lock: int = 0  # version of the object when the day was locked last

    def __post_init__(self) -> None:
        self.bucket = Bucket(KEY, self.scheduler.pause)
        self.store = cast("Store", self.bucket)
        self.monitor.execute("truncate ops.loads, ops.rejects, ops.day_locks, raw.posts_rows")
        self.monitor.execute("truncate build.pinned_loads")

    def start(self) -> None:
        """Add the actors, with the work that the seed gives them."""
        chance = self.scheduler.chance
        self.scheduler.spawn("producer", self._producer(chance.randint(1, 4)))
        # One beside the transform. Of three, two could wait for the lock of the day, and the
        # server would choose.
        is_again = chance.random() < 0.2
        self.scheduler.spawn("loader", partial(self._load, again=is_again))
        resumes = [chance.random() < 0.5 for _ in range(2)]
        self.scheduler.spawn("transform", partial(self._transform, resumes))
        for name, work in (("manual build", self._build_manually), ("reader", self._read)):
            if chance.random() < 0.6:
                self.scheduler.spawn(name, work)

    def _producer(self, count: int) -> Callable[[], None]:
        names = self.scheduler.chance.choices(sorted(CONTENTS), k=count)
        deletes = self.scheduler.chance.random() < 0.1

        def work() -> None:
            for name in names:
                self.puts.append(CONTENTS[name])
                self.bucket.put(CONTENTS[name].body, CONTENTS[name].promise)
            if deletes:
                self.bucket.delete()

        return work

    def _load(self, *, again: bool) -> None:
        for _ in range(3):
            self.load(again=again)

    def observe_lock(self) -> None:
        """Note the version of the object at the moment when a loader has locked the day."""
        self.at_lock = len(self.bucket.versions) + self.bucket.is_deleted

    def load(self, *, again: bool = False) -> LoadResult | None:
        """Load the day as a task does. An error that a task would retry ends the try."""
        try:
            return load(POSTS, DAY, self.store, self.warehouse.loader, SETTINGS, again=again)
        except PipelineError:
            return None

    def _transform(self, resumes: list[bool]) -> None:
        """Run the tasks of two DAG runs. A run can resume what an earlier one has pinned."""
        dsn = self.warehouse.transformer
        for is_resumed in resumes:
            self.load()
            superseded.clean_up_all(self.warehouse.loader, dsn, SETTINGS)
            for task in (self._read_pinned, self._publish) if is_resumed else self._tasks():
                with dbt_lock(dsn, is_alone=False), connect(dsn) as connection:
                    task(connection)

    def _build_manually(self) -> None:
        dsn = self.warehouse.transformer
        for _ in range(2):
            with dbt_lock(dsn, is_alone=True), connect(dsn) as connection:
                for task in self._tasks():
                    task(connection)
                    connection.commit()

    def _tasks(self) -> tuple[Callable[[psycopg.Connection[Any]], None], ...]:
        return self._pin, self._read_pinned, self._read_pinned, self._publish

    def _pin(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("delete from build.pinned_loads")
        connection.execute(
            "insert into build.pinned_loads select load_id from ops.loads where is_current"
        )

    def _publish(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            "update ops.loads set published_at = now() where published_at is null"
            " and load_id in (select load_id from build.pinned_loads)"
        )

    def _read_pinned(self, connection: psycopg.Connection[Any]) -> None:
        pinned = connection.execute(
            "select load_id, loaded from ops.loads"
            " where load_id in (select load_id from build.pinned_loads)"
        ).fetchall()
        for load_id, loaded in pinned:
            found = len(connection.execute(_ROWS, [load_id]).fetchall())
            self._demand(found == loaded, f"a build reads {found} of {loaded} rows")

    def _read(self) -> None:
        """Read the day twice in one snapshot."""
        with connect(self.warehouse.transformer) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            first = connection.execute(_VISIBLE).fetchall()
            second = connection.execute(_VISIBLE).fetchall()
        self._demand(first == second, "a snapshot has changed")
        self._demand(not first or self._is_whole(first), "a reader sees a mixed day")

    def _is_whole(self, rows: list[tuple[int, int, Any]]) -> bool:
        visible = [(position, record) for _, position, record in rows]
        return any(visible == content.rows for content in self.puts)

    def check(self) -> None:
        """Raise ViolationError if the present state breaks a promise."""
        current = self.monitor.execute(_CURRENT).fetchall()
        self._demand(len(current) <= 1, "two loads are current")
        for load_id, version_id, received, loaded, rejected in current:
            version = self.bucket.versions[int(version_id) - 1]
            rows = self.monitor.execute(_ROWS, [load_id]).fetchall()
            content = self._content(version)
            self._demand(content.rows is not None, "an object that must be parked is current")
            self._demand(rows == content.rows, f"the rows are not those of version {version_id}")
            self._demand(received == loaded + rejected, "received is not loaded and rejected")
            self._demand(loaded == len(rows), "loaded is not the number of rows")
            [(rejects,)] = self.monitor.execute(_REJECTS, [load_id]).fetchall()
            self._demand(rejects == rejected, "rejected is not the number of rejects")
            self._demand(version.number >= self.newest, "an older version replaced a newer one")
            if version.number > self.newest:
                self._demand(version.number >= self.at_lock, "a load was outdated at its lock")
            self.newest = version.number

    def finish(self) -> None:
        """Do what is left to do, without others, and check that nothing is left over."""
        result = self.load()
        superseded.clean_up_all(self.warehouse.loader, self.warehouse.transformer, SETTINGS)
        self.check()
        latest = self.bucket.latest()
        self._demand(self.monitor.execute(_LEFTOVER).fetchall() == [], "rows are left over")
        if latest is None:
            self._demand(result is not None and result.outcome == "absent", "an absent object")
        elif self._content(latest).rows is None:
            self._demand(self.monitor.execute(_PARKED).fetchall() == [(True,)], "it is not parked")
        else:
            self._demand(self.newest == latest.number, "the last version is not current")

    def _content(self, version: Version) -> Content:
        return next(
            one for one in self.puts if (one.body, one.promise) == (version.body, version.promise)
        )

    def _demand(self, is_so: bool, text: str) -> None:
        if not is_so:
            raise ViolationError(text)
