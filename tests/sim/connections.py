"""Connections that are used again: a new one costs the server more than most statements."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGconn

_FORGET = (b"rollback", b"discard all")  # then nothing of the session remains

Sessions = list[PGconn]


class _Reused(psycopg.Connection[Any]):
    """A connection whose session serves another one after `close`, as if it were new."""

    def __init__(self, pgconn: PGconn, free: Sessions, *, autocommit: bool) -> None:
        super().__init__(pgconn)
        self._autocommit = autocommit
        self._free = free
        self._is_given_back = False

    @property
    def closed(self) -> bool:
        return self._is_given_back or super().closed

    def close(self) -> None:
        if self.closed:
            return
        if self.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            super().close()
            return
        for statement in _FORGET:
            self.pgconn.exec_(statement)
        self._is_given_back = True
        self._free.append(self.pgconn)


@contextmanager
def connections_reused() -> Iterator[None]:
    """Let every connection of the block use the session of one that was closed before."""
    free: dict[str, Sessions] = defaultdict(list)

    def connect(dsn: str, *, autocommit: bool = False, **options: Any) -> psycopg.Connection[Any]:
        target = make_conninfo(dsn, **options)
        session = free[target].pop() if free[target] else _new(target)
        return _Reused(session, free[target], autocommit=autocommit)

    with mock.patch.object(psycopg, "connect", connect):
        try:
            yield
        finally:
            for sessions in free.values():
                for session in sessions:
                    session.finish()


def _new(target: str) -> PGconn:
    session = pq.PGconn.connect(target.encode())
    assert session.status == pq.ConnStatus.OK, session.error_message
    session.nonblocking = 1
    return session
