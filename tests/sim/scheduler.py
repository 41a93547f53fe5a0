"""Actors that move one at a time, in an order that a seed decides.

Each actor is a greenlet with ordinary code of the pipeline in it. It pauses before every
statement, block of a COPY and request to the bucket, and the scheduler decides who moves next. A
statement that waits for a lock is a pause, too. So the same seed gives the same schedule, unless
the server chooses: between two that wait for one row after a kill, or who must give way in a
deadlock.
"""

import random
import select
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from zlib import crc32

import psycopg
from greenlet import getcurrent, greenlet

_POLL_SECONDS = 0.002
_PATIENCE_SECONDS = 30
_MOST_STEPS = 5000
_PLACES = 12  # at one of so many places actors sleep
_OURS = ("/scripts/", "/sim/macros", "/sim/project", "/sim/world")
_READ, _WRITE = 1, 2  # as psycopg's generators ask for them
_BLOCKED = "select cardinality(pg_blocking_pids(%s)) > 0"
_ALIVE = "select exists (select from pg_stat_activity where pid = %s)"


class KilledError(BaseException):
    """This actor's process is dead. No code of the pipeline catches it."""


@dataclass
class Scheduler:
    """One schedule.

    Attributes:
        seed: decides who moves.
        monitor: a connection that no actor uses.
        kills: how many may happen.
        slow: the names of actors on a slow machine, which sleep everywhere.
    """

    seed: int
    monitor: psycopg.Connection[Any]
    kills: int = 0
    slow: frozenset[str] = frozenset()
    trace: list[str] = field(default_factory=list)
    _actors: dict[str, greenlet] = field(default_factory=dict)
    _dying: set[int] = field(default_factory=set)  # processes of the server
    _asleep: dict[str, int] = field(default_factory=dict)  # the turn in which an actor wakes up
    _turn: int = 0
    _blocked: dict[str, int] = field(default_factory=dict)  # by actor, its process of the server
    _place: dict[str, str] = field(default_factory=dict)
    _work: dict[str, Callable[[], object]] = field(default_factory=dict)
    _connections: dict[str, set[psycopg.Connection[Any]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._hub = getcurrent()

    def spawn(self, name: str, work: Callable[[], object]) -> None:
        """Add an actor, which begins when it is chosen. One that is killed begins again."""
        self._work[name] = work
        self._let_sleep(name)
        self._actors[name] = greenlet(work, parent=self._hub)

    @property
    def names(self) -> set[str]:
        """The actors that there are or were."""
        return set(self._work)

    @property
    def waiting(self) -> set[str]:
        """The actors that wait for a lock."""
        return set(self._blocked)

    def run(self, check: Callable[[], None]) -> None:
        """Let the actors move until all have ended, and check the state after each move."""
        with _waiting_through(self), self._ended():
            while self._actors:
                assert len(self.trace) < _MOST_STEPS, "it does not end"
                name = self._choose()
                if self.kills and self._connections[name] and self.chance.random() < 0.02:
                    self._kill(name)
                else:
                    self._move(name)
                self._let_die()
                self._let_choose()
                check()

    def _choose(self) -> str:
        self._turn += 1
        awake = [name for name in self._actors if self._asleep.get(name, 0) <= self._turn]
        return self.chance.choice(sorted(awake or self._actors))

    def _is_slow(self, place: str) -> bool:
        """Return whether actors sleep at a place of the code: in each schedule at some others."""
        return crc32(f"{self.seed} {place}".encode()) % _PLACES == 0

    def _is_on_a_slow_machine(self, name: str) -> bool:
        return name in self.slow and self.chance.random() < 0.2

    def _let_sleep(self, name: str) -> None:
        """Let others do a whole load or build between two steps of an actor."""
        self._asleep[name] = self._turn + self.chance.choice((0, 20, 60, 150))

    def _let_choose(self) -> None:
        """Wait until the server has ended a deadlock: nobody else can."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._actors and self._blocked.keys() >= self._actors.keys():
            assert time.monotonic() < deadline, "all wait for each other"
            time.sleep(_POLL_SECONDS)
            self._blocked = {n: p for n, p in self._blocked.items() if self._ask(_BLOCKED, p)}

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """After the block, however it ends, no actor holds a connection."""
        try:
            yield
        finally:
            for name in sorted(self._actors):
                self._close(name)
            self._let_die()

    def pause(self, place: str) -> None:
        """Let others move, if an actor calls this."""
        if getcurrent() is not self._hub:
            self._hub.switch(place)

    def rest(self) -> None:
        """Let others move for some turns, if an actor calls this."""
        if getcurrent() is not self._hub:
            self._let_sleep(self._name())
            self.pause("rests")

    def _name(self) -> str:
        return next(name for name, actor in self._actors.items() if actor is getcurrent())

    def _move(self, name: str) -> None:
        actor = self._actors[name]
        place = actor.switch()
        step = f"{name}: {'end' if actor.dead else place}"
        if name not in self._blocked or self._place.get(name) != step:
            self.trace.append(step)
        self._place[name] = step
        if not actor.dead and (self._is_slow(place) or self._is_on_a_slow_machine(name)):
            self._let_sleep(name)
        if actor.dead:
            del self._actors[name]

    def _kill(self, name: str) -> None:
        """End an actor as kill -9 does: its connections close without a word."""
        self.kills -= 1
        self.trace.append(f"{name}: killed")
        self._close(name)
        self.spawn(name, self._work[name])

    def _close(self, name: str) -> None:
        actor = self._actors.pop(name)
        connections = {c for c in self._connections.pop(name, ()) if not c.closed}
        self._blocked.pop(name, None)
        self._dying |= {c.info.backend_pid for c in connections}
        for connection in connections:
            connection.pgconn.finish()
        with suppress(KilledError, Exception):  # of dead connections
            actor.throw(KilledError)

    def wait(self, connection: psycopg.Connection[Any], steps: Generator[Any, Any, Any]) -> Any:
        """Do what psycopg does while a statement runs, and let others move if it is blocked."""
        name = self._name()
        self._connections[name].add(connection)
        self.pause(_place())
        pid = connection.info.backend_pid
        patience = _POLL_SECONDS
        try:
            wanted = next(steps)
            while True:
                if ready := _poll(connection.pgconn.socket, wanted, patience):
                    wanted = steps.send(ready)
                elif self._ask(_BLOCKED, pid):
                    self._blocked[name] = pid
                    self.pause("blocked")
                    self._blocked.pop(name, None)
                    patience = 0
                else:
                    patience = _POLL_SECONDS
        except StopIteration as ended:
            return ended.value

    def _ask(self, query: str, pid: int) -> bool:
        row = self.monitor.execute(query, [pid]).fetchone()
        return bool(row and row[0])

    def _let_die(self) -> None:
        """Wait for the server to notice who is dead. A process that waits for a lock cannot yet."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for pid in sorted(self._dying):
            while is_alive := self._ask(_ALIVE, pid):
                assert time.monotonic() < deadline, self.trace[-20:]
                if self._ask(_BLOCKED, pid):
                    break
            if not is_alive:
                self._dying.discard(pid)


@contextmanager
def _waiting_through(scheduler: Scheduler) -> Iterator[None]:
    """Make every connection of an actor wait through the scheduler."""
    real = psycopg.Connection.wait

    def wait(connection: Any, steps: Any, *arguments: Any, **named: Any) -> Any:
        if getcurrent() is scheduler._hub or connection is scheduler.monitor:
            return real(connection, steps, *arguments, **named)
        return scheduler.wait(connection, steps)

    with mock.patch.object(psycopg.Connection, "wait", wait):
        yield


def _place() -> str:
    """Return the function of the pipeline or of the actors that runs a statement."""
    frame = sys._getframe(2)
    while frame.f_back and not any(part in frame.f_code.co_filename for part in _OURS):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


def _poll(socket: int, wanted: int, seconds: float) -> int:
    """Return for which of the wanted operations a socket is ready within a time."""
    to_read, to_write = [socket] if wanted & _READ else [], [socket] if wanted & _WRITE else []
    readable, writable, _ = select.select(to_read, to_write, [], seconds)
    return (_READ if readable else 0) | (_WRITE if writable else 0)
