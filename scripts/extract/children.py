"""Fetch the list of each parent. Invariant: the records are in the order of the parents.

Several threads fetch, each with its own client and into its own temporary file. The lists are
joined in order, so the same answers make the same bytes, whatever the concurrency.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from datetime import date
from queue import SimpleQueue
from tempfile import SpooledTemporaryFile
from typing import NamedTuple, Self

from scripts.errors import PermanentError, UnavailableError
from scripts.extract.budget import Budget
from scripts.extract.http_client import Client, NotFoundError
from scripts.extract.pages import list_pages, open_client
from scripts.extract.parents import LandedParents, ParentRecord
from scripts.extract.record_array import RecordArray
from scripts.extract.splice import head_of
from scripts.extract.whole_list import Watch, append_list
from scripts.killpoints import reach
from scripts.settings import Endpoint, RunSettings
from sources import Source

_SPOOL_BYTES = 1 << 20
_AHEAD = 2  # lists per thread that may wait for their turn


def append_children(
    source: Source,
    parents: LandedParents,
    day: date,
    endpoint: Endpoint,
    settings: RunSettings,
    array: RecordArray,
    watch: Watch,
) -> int:
    """Append the lists of all parents, and return how many parents the API does not know.

    One deadline, one pace and one limit of bytes hold for all of them. The first error stops the
    others.

    Raises:
        PermanentError: a list is refused. Names the parent.
        UnavailableError: the API did not answer as expected.
    """
    missing = 0
    fetch = _Fetch(source, parents.key, day, endpoint)
    with _Crew(fetch, settings) as crew:
        for part, is_missing in crew.lists(parents.records):
            array.extend(part)
            missing += is_missing
            watch(array.rows, array.size)
            reach("ingest.between_parents")
    return missing


class _Fetch(NamedTuple):
    """Fetches the list of one parent."""

    source: Source
    key: str
    day: date
    endpoint: Endpoint

    def __call__(self, client: Client, record: ParentRecord, part: RecordArray) -> bool:
        """Append the list. Return whether the API does not know the parent, and that is allowed."""
        source, endpoint, day = self.source, self.endpoint, self.day
        try:
            append_list(part, lambda: list_pages(client, endpoint, source, day, record.values))
        except (PermanentError, UnavailableError) as error:
            is_missing = isinstance(error, NotFoundError) and not part.rows
            if is_missing and source.parent and source.parent.on_missing == "skip":
                return True
            raise type(error)(f"parent {record.position} of {self.key}: {error}") from None
        return False


class _List(NamedTuple):
    """The list of one parent, which a thread fetches into a temporary file."""

    part: RecordArray
    spool: SpooledTemporaryFile[bytes]
    is_missing: Future[bool]


class _Crew:
    """Threads that fetch lists, a few of them ahead of the one that is used next."""

    def __init__(self, fetch: _Fetch, settings: RunSettings) -> None:
        self._fetch = fetch
        self._settings = settings
        self._budget = Budget(settings, fetch.source.api)
        self._clients: SimpleQueue[Client] = SimpleQueue()
        self._ahead: deque[_List] = deque()
        self._errors: list[BaseException] = []
        self._stack = ExitStack()
        self._size = fetch.source.parent.concurrency if fetch.source.parent else 1

    def __enter__(self) -> Self:
        for _ in range(self._size):
            client = open_client(
                self._fetch.endpoint, self._fetch.source, self._settings, self._budget
            )
            self._clients.put(self._stack.enter_context(closing(client)))
        self._stack.callback(self._close_files)
        self._pool = self._stack.enter_context(ThreadPoolExecutor(self._size))
        self._stack.callback(self._budget.stop)  # first of all: then the threads end soon
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lists(self, records: Iterable[ParentRecord]) -> Iterator[tuple[RecordArray, bool]]:
        """Yield the list of each parent in their order, and whether it is missing."""
        for record in records:
            if len(self._ahead) == _AHEAD * self._size:
                yield from self._next()
            self._start(record)
        while self._ahead:
            yield from self._next()

    def _start(self, record: ParentRecord) -> None:
        spool = _file()
        limit, head = self._settings.max_record_bytes, head_of(record.values)
        part = RecordArray(spool, limit, head)
        self._ahead.append(_List(part, spool, self._pool.submit(self._run, record, part)))

    def _run(self, record: ParentRecord, part: RecordArray) -> bool:
        """Fetch one list, in a thread. The first error ends the others."""
        client = self._clients.get()
        try:
            return self._fetch(client, record, part)
        except BaseException as error:
            self._errors.append(error)
            self._budget.stop()
            raise
        finally:
            self._clients.put(client)

    def _next(self) -> Iterator[tuple[RecordArray, bool]]:
        found = self._ahead.popleft()
        with found.spool:
            wait([found.is_missing])
            if self._errors:
                raise self._errors[0]
            yield found.part, found.is_missing.result()

    def _close_files(self) -> None:
        for found in self._ahead:
            found.spool.close()


def _file() -> SpooledTemporaryFile[bytes]:
    return SpooledTemporaryFile(_SPOOL_BYTES)
