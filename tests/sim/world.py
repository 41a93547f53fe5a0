"""A warehouse, a bucket and the actors of one schedule.

Loads, clean-up, locks, erasure, rebuild, withdrawal, watch and migration are the code of the
pipeline. The models of dbt are short, but its pins, outcomes and publish are those of the project.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple, cast
from unittest import mock

import psycopg

from scripts import rebuild
from scripts.dbt import drop_build_tables
from scripts.erase.erase import erase_records
from scripts.erase.wanted import Wanted
from scripts.errors import (
    BrokenInvariantError,
    BuildFailedError,
    PipelineError,
)
from scripts.landing import json_array
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load import load as loads
from scripts.load import raw_tables, superseded
from scripts.load.raw_tables import create_record_keys, ensure_raw
from scripts.load.record_key import read_missing_keys
from scripts.reconcile import freshness, pending, unknown_objects
from scripts.reconcile.pending import plan_work
from scripts.reconcile.watch import watch
from scripts.settings import RunSettings
from scripts.warehouse import ledger
from scripts.warehouse.connection import connect, connect_as_owner, plain_errors
from scripts.warehouse.dbt_lock import dbt_lock
from sources import Source
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.sim import project
from tests.sim.bucket import Bucket
from tests.sim.contents import BAD, CONTENTS, ERASED_ID, GOOD, MOST_REJECTED, holds_erased
from tests.sim.oracle import Oracle, ViolationError, demand
from tests.sim.scheduler import Scheduler

DAYS = (date(2026, 1, 30), date(2026, 1, 31))
KEYS = [raw_key("posts", day) for day in DAYS]
NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
SETTINGS = RunSettings(max_reject_share=MOST_REJECTED, lookback_days=36_500, late_days=1)
SLOW = frozenset({"loader", "zombie"})
_MARTS = "select jsonb_agg(f order by day, position) from marts.{} as f"
_BOTH = f"select ({_MARTS.format('fct_whole')}), ({_MARTS.format('fct_by_day')})"
_LOST = """
    select count(*) from build.pinned_loads as pins inner join ops.loads as loads using (load_id)
    where pins.source = 'posts' and loads.loaded <> (
        select count(*) from raw.posts_rows as found where found.load_id = pins.load_id
    )
"""
# Rows and rejects of the erased record, by the version of the object that brought them.
_ERASED = """
    select loads.version_id from ops.loads inner join raw.posts_rows using (load_id)
    where id = %(id)s
    union all
    select loads.version_id from ops.loads inner join ops.rejects using (load_id)
    where record_key -> 'id' = to_jsonb(%(id)s)
"""
_DECLARING = (freshness, loads, pending, raw_tables, rebuild, superseded, unknown_objects)


class _Run(NamedTuple):
    """A run of the transform: from its first task, or on from a later one after a failure.

    A manual run builds also if nothing was loaded.
    """

    first: int
    is_manual: bool
    fails: bool


class World:
    """The state of one schedule.

    Args:
        warehouse: the migrated warehouse. It is emptied.
        scheduler: decides who moves.
        monitor: a connection of a superuser that no actor uses.
        without: actors that stay away.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        scheduler: Scheduler,
        monitor: psycopg.Connection[Any],
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.warehouse, self.scheduler, self.monitor = warehouse, scheduler, monitor
        self.bucket = Bucket(scheduler.pause)
        self.store = cast("Store", self.bucket)
        self.oracle = Oracle(self.bucket, monitor)
        self.sources = {"posts": POSTS}
        self._without = without

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Add the actors, with the work that the seed gives them, for the length of a block."""
        with ExitStack() as stack:
            for module in _DECLARING:
                stack.enter_context(mock.patch.object(module, "SOURCES", self.sources))
            stack.enter_context(mock.patch.multiple(rebuild, **self._environment()))
            stack.enter_context(mock.patch.object(ledger, "lock_day", self._lock_day))
            # Each block is a batch, as the blocks of a large object are.
            stack.enter_context(mock.patch.object(json_array, "_GATHER_BYTES", 1))
            self._empty()
            for name, likelihood, work in self._actors():
                is_there = self.scheduler.chance.random() < likelihood
                if is_there and name not in self._without:
                    self.scheduler.spawn(name, work)
            yield

    def _empty(self) -> None:
        self.declare(POSTS)
        drop_build_tables(self.warehouse.transformer)
        with self.monitor.transaction():
            # The server may still end a connection of the schedule before, or vacuum.
            self.monitor.execute("set local lock_timeout = '30s'")
            self.monitor.execute(
                "truncate ops.loads, ops.rejects, ops.day_locks, ops.unknown_objects,"
                " raw.posts_rows, marts.fct_whole, marts.fct_by_day"
            )
            self.monitor.execute("comment on table raw.posts_rows is null")

    @property
    def names(self) -> frozenset[str]:
        """The actors that take part, without the producer, without whom nothing happens."""
        return frozenset(self.scheduler.names - {"producer"})

    def _actors(self) -> list[tuple[str, float, Callable[[], object]]]:
        chance = self.scheduler.chance
        again, pick = chance.random() < 0.4, chance.choice
        runs = [
            _Run(pick((0, 0, 1, 2, 3)), chance.random() < 0.5, chance.random() < 0.3)
            for _ in range(3)
        ]
        return [
            ("producer", 1, self._producer(chance.randint(2, 6))),
            # One beside the transform. Where two wait for the lock of a day, as beside an eraser,
            # the server chooses.
            ("loader", 0.8, partial(self._load_often, [pick(DAYS) for _ in range(6)], again)),
            ("transform", 1, partial(self._transform, runs)),
            ("zombie", 0.4, partial(self._clean_up_often, 10)),
            ("manual build", 0.5, _tried(self.build_alone)),
            ("reader", 0.6, self._read),
            ("watch", 0.2, _tried(self._watch)),
            ("eraser", 0.3, _tried(self.erase)),
            ("rebuild", 0.2, _tried(partial(self.rebuild, pick(("", "posts"))))),
            ("withdrawal", 0.15, _tried(partial(self._withdraw, pick(DAYS)))),
            ("migration", 0.2, _tried(self._migrate)),
        ]

    def _producer(self, count: int) -> Callable[[], None]:
        chance = self.scheduler.chance
        few = [*chance.sample(GOOD, 2), chance.choice(BAD)]  # so that some come back
        puts = [(chance.choice(KEYS), chance.choice(few)) for _ in range(count)]
        deleted = chance.choice(KEYS) if chance.random() < 0.1 else None

        def work() -> None:
            for key, name in puts:
                self.bucket.write(key, *CONTENTS[name])
            if deleted:
                self.bucket.write(deleted, None)

        return work

    def _lock_day(self, connection: psycopg.Connection[Any], source: str, day: date) -> None:
        _LOCK_DAY(connection, source, day)
        key = raw_key(source, day)
        self.oracle.at_lock[key] = self.bucket.changed.get(key, 0)

    def _load_often(self, days: list[date], again: bool) -> None:
        for day in days:
            _tried(self._load)(day, again=again)

    def _load(self, day: date, *, again: bool) -> None:
        source, dsn = self.sources["posts"], self.warehouse.loader
        loads.load(source, day, self.store, dsn, SETTINGS, again=again)

    def _transform(self, runs: list[_Run]) -> None:
        for run in runs:
            _tried(self._run)(run)

    def _run(self, run: _Run) -> None:
        if run.first == 0 and not self.load_and_clean_up() and not run.is_manual:
            return
        for task in self._tasks(fails=run.fails)[run.first :]:
            self.scheduler.rest()  # dbt takes longer than a load
            with dbt_lock(self.warehouse.transformer, is_alone=False), self._dbt() as connection:
                task(connection)

    def _clean_up_often(self, times: int) -> None:
        """Clean up beside the next runs, as the load task of a run that Airflow gave up would."""
        loader, transformer = self.warehouse.loader, self.warehouse.transformer
        for _ in range(times):
            _tried(superseded.clean_up_all)(loader, transformer, SETTINGS)

    def load_and_clean_up(self) -> bool:
        """Return whether a run has anything to do."""
        loader = self.warehouse.loader
        work = plan_work(self.store, loader, SETTINGS)
        for _ in loads.load_work(work, self.store, loader, SETTINGS):
            pass
        superseded.clean_up_all(loader, self.warehouse.transformer, SETTINGS)
        return bool(work)

    def build_alone(self, *options: str) -> None:
        """Build, test and publish manually, as `scripts.dbt` does."""
        with dbt_lock(self.warehouse.transformer, is_alone=True):
            if "--full-refresh" in options:
                drop_build_tables(self.warehouse.transformer)
            with self._dbt() as connection:
                for task in self._tasks():
                    self.scheduler.rest()
                    task(connection)

    @contextmanager
    def _dbt(self) -> Iterator[psycopg.Connection[Any]]:
        with connect(self.warehouse.transformer, autocommit=True) as connection, plain_errors():
            yield connection

    def _tasks(self, *, fails: bool = False) -> tuple[project.Task, ...]:
        return project.pin, project.build, partial(self._test, fails=fails), self._publish

    def _test(self, connection: psycopg.Connection[Any], *, fails: bool) -> None:
        self._check_pinned()
        rows = project.test(connection, fails=fails)
        if rows is None:
            # Between pin and test, an erasure takes rows away. The next run pins again.
            is_expected = fails or "eraser" in self.scheduler.names
            demand(is_expected, "a build does not read the rows that the ledger counted")
            raise BuildFailedError("a test failed, as the seed wanted")
        self.oracle.tested.append([list(row) for row in rows])

    def _check_pinned(self) -> None:
        try:
            [found] = self.monitor.execute(_LOST).fetchall()
        except psycopg.errors.LockNotAvailable:  # nobody can look now
            return
        demand(found == (0,), "a build does not read the rows that the ledger counts")

    def _publish(self, connection: psycopg.Connection[Any]) -> None:
        if not project.publish(connection):
            raise BuildFailedError("the publish was refused")

    def _read(self) -> None:
        """Read the marts in one statement, and twice in one snapshot."""
        with connect(self.warehouse.reader) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for _ in range(5):
                first, second = (connection.execute(_BOTH).fetchone() for _ in range(2))
                demand(first == second, "a snapshot has changed")
                demand(first is not None and first[0] == first[1], "a reader sees a mixed state")
                connection.rollback()

    def _watch(self) -> None:
        watch(self.store, self.warehouse.loader, SETTINGS, NOW)

    def erase(self) -> None:
        began = self.bucket.now
        wanted = Wanted.of_key(self.sources["posts"], *self._erased_key())
        erase_records(wanted, self.store, self.warehouse.loader, SETTINGS, lambda _: None)
        self.check_erased(began)
        self.build_alone("--full-refresh")

    def _erased_key(self) -> tuple[str, ...]:
        texts = {"id": str(ERASED_ID), "userId": "1"}
        return tuple(texts[field.parts[0]] for field in self.sources["posts"].key_fields)

    def check_erased(self, began: int) -> None:
        """What had landed before an erasure began does not have the record any more."""
        kept = [
            v for v in self.bucket.bodies() if v.number <= began and holds_erased(v.body or b"")
        ]
        demand(kept == [], "an erased record is still in the bucket")
        try:
            rows = self.monitor.execute(_ERASED, {"id": ERASED_ID}).fetchall()
        except psycopg.errors.LockNotAvailable:  # nobody can look now
            return
        demand(all(int(number) > began for (number,) in rows), "an erased record has come back")

    def _environment(self) -> dict[str, Any]:
        """Return what stands in for the environment of the command `rebuild`."""
        settings = mock.Mock()
        settings.warehouse_dsn_from_env.return_value = self.warehouse.loader
        settings.transformer_dsn_from_env.return_value = self.warehouse.transformer
        settings.run_settings_from_env.return_value = SETTINGS
        settings.has_admin_dsn.return_value = False
        settings.admin_dsn_from_env.return_value = owner_dsn(self.warehouse)
        return {
            "settings": settings,
            "Store": mock.Mock(of_environment=lambda _: self.store),
            "build_and_publish": lambda _, *options: self.build_alone(*options),
            "source_named": self.sources.__getitem__,
            "typer": mock.Mock(),
        }

    def rebuild(self, source: str) -> None:
        self.oracle.may_go.update(KEYS)
        rebuild.main(source=source)

    def _withdraw(self, day: date) -> None:
        self.oracle.may_go.add(raw_key("posts", day))
        self.bucket.delete(raw_key("posts", day))
        with connect(self.warehouse.loader, autocommit=True) as connection, plain_errors():
            ledger.withdraw(connection, "posts", day)
        self.build_alone()

    def _migrate(self) -> None:
        """Change the contract: another key."""
        self.declare(replace(POSTS, key=("id", "userId")))

    def declare(self, source: Source) -> None:
        before = self.sources["posts"]
        try:
            with (
                connect_as_owner(owner_dsn(self.warehouse), autocommit=True) as owner,
                plain_errors(),
                owner.transaction(),
            ):
                ensure_raw(owner, source)
                read_missing_keys(owner, source)
                self.sources["posts"] = source
                create_record_keys(owner)
        except BaseException:
            self.sources["posts"] = before
            raise

    def check(self) -> None:
        """Raise ViolationError if the present state breaks a promise."""
        self.oracle.check()
        demand("reader" not in self.scheduler.waiting, "a reader waits")


_LOCK_DAY = ledger.lock_day


def owner_dsn(warehouse: Warehouse) -> str:
    """Return the DSN of the warehouse's owner."""
    return warehouse.server.dsn(warehouse.name, "owner", "owner-pw")


def _tried(work: Callable[..., object]) -> Callable[..., None]:
    """Let work fail as a task fails. What always holds must hold then, too."""

    def trying(*arguments: Any, **named: Any) -> None:
        try:
            work(*arguments, **named)
        except BrokenInvariantError as broken:
            raise ViolationError(str(broken)) from broken
        except PipelineError as error:
            demand("already exists" not in str(error), f"two builds at one time: {error}")
        except psycopg.Error as error:
            raise ViolationError(f"an error that no user could read: {error}") from error

    return trying
