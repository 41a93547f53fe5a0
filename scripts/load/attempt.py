"""One attempt to load one object. Invariant: its rows and its ledger row become visible together.

The object is copied without a lock, under a load_id that no reader sees. Then, under the lock of
(source, day), the load becomes the current one if neither the ledger nor the object has changed
since the object was opened (compare-and-swap). Otherwise everything is rolled back.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Literal

import psycopg

from scripts.errors import InvalidDataError, PipelineError, UnavailableError, demand
from scripts.killpoints import reach
from scripts.landing.json_array import Batch, MalformedRecord, read_records
from scripts.landing.keys import raw_key
from scripts.landing.store import ObjectHead, ObjectInfo, OpenObject, Store
from scripts.load.contract import CheckedBatch, Contract, Violation
from scripts.load.quarantine import Quarantine
from scripts.load.raw_rows import RawRows
from scripts.settings import RunSettings
from scripts.warehouse import ledger
from scripts.warehouse.connection import plain_errors
from sources import Source

_BLOCK_BYTES = 128 * 1024

Outcome = Literal["loaded", "unchanged", "parked", "absent"]


@dataclass(frozen=True)
class LoadResult:
    """The result for one object. Counts are records. `reason` is set for a parked object."""

    source: str
    day: date
    key: str
    outcome: Outcome
    load_id: int | None = None
    received: int = 0
    loaded: int = 0
    rejected: int = 0
    seconds: float = 0
    reason: str | None = None

    def line(self) -> str:
        """Return the result as one line."""
        if self.outcome == "absent":
            return f"{self.key} does not exist. Ingest the day first"
        if self.outcome == "parked":
            return f"{self.key} is parked, the previous state of its day stays: {self.reason}"
        return (
            f"{self.key}: {self.outcome}, {self.loaded} of {self.received} records, "
            f"{self.rejected} rejected, in {self.seconds:.2f} s (load {self.load_id})"
        )


class OutdatedError(PipelineError):
    """The ledger or the object changed while the object was read. Start again."""


@dataclass
class Attempt:
    """One attempt: the state at its start, and its counts so far."""

    source: Source
    day: date
    store: Store
    connection: psycopg.Connection
    rows: RawRows
    settings: RunSettings
    run_id: str | None
    quarantine: Quarantine
    began: float = field(default_factory=time.monotonic)
    load_id: int = 0
    received: int = 0
    loaded: int = 0
    replaced: int = 0  # rejected because a later record has their key: as the source declares
    digest: str | None = None
    new_fields: list[str] = field(default_factory=list)
    seen: ledger.CurrentLoad | None = None
    opened: OpenObject = field(init=False)

    def run(self, *, again: bool) -> LoadResult:
        """Load, or find that nothing changed. Raises OutdatedError if it must start again."""
        key = raw_key(self.source.name, self.day)
        with plain_errors():
            self.seen = ledger.current_load(self.connection, self.source.name, self.day)
        reach("load.before_get")
        opened = self.store.open(key)
        if opened is None:
            return LoadResult(self.source.name, self.day, key, "absent")
        self.opened = opened
        known = self.seen.sha256 if self.seen and not again else None
        try:
            with plain_errors():
                return self._confirm() if known and opened.sha256 == known else self._replace(known)
        except InvalidDataError as error:
            with plain_errors():
                return self._park(str(error))

    def _confirm(self) -> LoadResult:
        """Verify an object that promises the content of the current load, without copying it."""
        for _ in self._blocks():
            pass
        self._check_promise()
        return self._unchanged()

    def _replace(self, known: str | None) -> LoadResult:
        """Copy the object and make it the current load, unless its content is `known`."""
        with self.connection.transaction():
            self.load_id = ledger.next_load_id(self.connection)
            self.rows.check()
            self._copy()
            self._check_promise()
            if self.digest == known:
                raise psycopg.Rollback
            self._check_thresholds(self.quarantine.count)
            self._claim()
            counted = self.loaded + self.quarantine.count
            demand(counted == self.received, f"of {self.received} records, {counted} are counted")
            ledger.make_current(self.connection, self._entry(), self.seen)
            self.quarantine.save(self.connection, self.load_id)
            reach("load.before_commit")
        if self.digest == known:
            return self._unchanged()
        reach("load.after_commit")
        return self._result("loaded", self._entry())

    def _copy(self) -> None:
        """Copy every valid record, without a lock and invisible to readers."""
        contract = Contract(self.source)
        counted = self.rows.append(self.load_id, self._checked(contract))
        self.loaded, self.new_fields = counted.copied, contract.new_fields
        reach("load.after_copy")
        if not counted.is_ordered:
            self._drop_duplicates()

    def _checked(self, contract: Contract) -> Iterator[tuple[Batch, CheckedBatch]]:
        """Yield each batch with its valid records. The others go to the quarantine."""
        limit = self.settings.max_reject_count
        for item in self._records(self._blocks()):
            if isinstance(item, MalformedRecord):
                self.quarantine.add_faulty(item)
                self.received = item.position + 1
            else:
                self.received = item.first + len(item.records)
                checked = contract.check(item)
                self.quarantine.add_breaches(item, checked.breaches)
                yield item, checked
            if self.quarantine.count > limit:
                raise InvalidDataError(self._too_many(self.quarantine.count))

    def _drop_duplicates(self) -> None:
        """Move rows with a duplicate key to the quarantine. Their text is read once more."""
        surplus = self.rows.count_duplicates(self.load_id)
        if not surplus:
            return
        if self.source.on_duplicate == "last":
            self.replaced = surplus
        total = self.quarantine.count + surplus
        if self._is_too_much(total):  # keep some examples: all of them may be millions
            self._quarantine(self.rows.first_duplicates(self.load_id))
            raise InvalidDataError(
                f"{surplus} records have the key of another one. "
                + self._too_many(total - self.replaced)
            )
        deleted = self.rows.delete_duplicates(self.load_id)
        self.loaded -= len(deleted)
        self._quarantine(deleted)

    def _quarantine(self, duplicates: Mapping[int, bool]) -> None:
        """Read the object again, and keep its duplicates. They are known by position."""
        opened = self.store.open(self.opened.info.key)
        if opened is None or not self._is_same(opened):
            raise OutdatedError
        for item in self._records(opened.blocks(_BLOCK_BYTES)):
            self.connection.execute("select")  # or the server ends the idle transaction
            if isinstance(item, Batch):
                self.quarantine.add_breaches(item, _duplicates(item, duplicates))

    def _records(self, blocks: Iterable[bytes]) -> Iterator[Batch | MalformedRecord]:
        return read_records(blocks, max_record_bytes=self.settings.max_record_bytes)

    def _blocks(self) -> Iterator[bytes]:
        """Yield the object. Raises InvalidDataError if it is larger or slower than its budget."""
        size, limit = self.opened.info.size, self.settings.max_object_bytes
        if size > limit:
            raise InvalidDataError(f"it has {size} bytes, more than {limit} (max_object_bytes)")
        digest = sha256()
        for block in self.opened.blocks(_BLOCK_BYTES):
            if time.monotonic() - self.began > self.settings.load_timeout:
                raise InvalidDataError(
                    f"it was not loaded within {self.settings.load_timeout:g} s (load_timeout)"
                )
            digest.update(block)
            yield block
        self.digest = digest.hexdigest()

    def _check_promise(self) -> None:
        promised = self.opened.sha256
        if promised not in (None, self.digest):
            raise InvalidDataError(
                f"the object's metadata promises the sha256 {promised}, but its content has "
                f"{self.digest}: it was damaged or is incomplete. Write the object again"
            )

    def _check_thresholds(self, rejected: int) -> None:
        if not self.received and not self.source.allows_empty:
            raise InvalidDataError(f"the list is empty, but {self.source.name} allows no empty day")
        if self._is_too_much(rejected):
            raise InvalidDataError(self._too_many(rejected - self.replaced))

    def _is_too_much(self, rejected: int) -> bool:
        """Return whether so many rejected records park the object. Replaced ones do not count."""
        rejected -= self.replaced
        share = rejected / max(self.received, 1)
        return share > self.settings.max_reject_share or rejected > self.settings.max_reject_count

    def _too_many(self, rejected: int) -> str:
        first = f"; the first: {self.quarantine.first}" if self.quarantine.first else ""
        return (
            f"{rejected} of {self.received} records rejected, more than "
            f"{self.settings.max_reject_share:.0%} or {self.settings.max_reject_count}{first}"
        )

    def _claim(self) -> None:
        """Lock the day. Raises OutdatedError if the ledger or the object has changed."""
        ledger.lock_day(self.connection, self.source.name, self.day)
        reach("load.locked")
        now = ledger.current_load(self.connection, self.source.name, self.day)
        if (now and now.load_id) != (self.seen and self.seen.load_id):
            raise OutdatedError
        head = self.store.head(self.opened.info.key)
        if head is None or not self._is_same(head):
            raise OutdatedError

    def _is_same(self, head: ObjectHead) -> bool:
        return (head.info, head.version_id) == (self.opened.info, self.opened.version_id)

    def _unchanged(self) -> LoadResult:
        """Record the new listing of content that is already loaded."""
        if self.seen is None:
            raise OutdatedError
        with self.connection.transaction():
            self._claim()
            ledger.refresh_listing(
                self.connection, self.seen.load_id, self.opened.info, self.opened.version_id
            )
        return self._result("unchanged", self.seen)

    def _park(self, reason: str) -> LoadResult:
        """Record that the object is parked. The same reason is recorded once."""
        self.loaded = 0
        with self.connection.transaction():
            # Before the claim: a load of a newer version must get a higher number.
            self.load_id = self.load_id or ledger.next_load_id(self.connection)
            self._claim()
            entry = self._entry()
            parked = ledger.find_parked(self.connection, entry, reason)
            if parked is None:
                ledger.park(self.connection, entry, reason)
                self.quarantine.save(self.connection, self.load_id)
        self.load_id = parked or self.load_id
        return self._result("parked", self._entry(), reason)

    def _entry(self) -> ledger.LedgerEntry:
        return ledger.LedgerEntry(
            load_id=self.load_id,
            source=self.source.name,
            day=self.day,
            info=self.opened.info,
            day_kind=self.source.day.kind,
            as_of=self.opened.as_of,
            version_id=self.opened.version_id,
            sha256=self.digest,
            received=self.received,
            loaded=self.loaded,
            rejected=self.quarantine.count,
            new_fields=self.new_fields,
            seconds=time.monotonic() - self.began,
            run_id=self.run_id,
        )

    def _result(
        self,
        outcome: Outcome,
        counts: ledger.LedgerEntry | ledger.CurrentLoad,
        reason: str | None = None,
    ) -> LoadResult:
        return LoadResult(
            source=self.source.name,
            day=self.day,
            key=self.opened.info.key,
            outcome=outcome,
            load_id=counts.load_id,
            received=counts.received,
            loaded=counts.loaded,
            rejected=counts.rejected,
            seconds=time.monotonic() - self.began,
            reason=reason,
        )


def park_unreadable(
    source: Source,
    day: date,
    store: Store,
    connection: psycopg.Connection,
    run_id: str | None,
    info: ObjectInfo | None,
    reason: str,
) -> LoadResult:
    """Record that an object is parked, although the bucket does not give it out.

    `info` is its listing from before the bucket refused it. Raises UnavailableError if it has
    changed: it may be readable now.
    """
    key = raw_key(source.name, day)
    with connection.transaction(), plain_errors():
        load_id = ledger.next_load_id(connection)
        ledger.lock_day(connection, source.name, day)
        if info is None or store.find(key) != info:
            raise UnavailableError(f"{key} has changed since the bucket refused it")
        entry = ledger.LedgerEntry(load_id, source.name, day, info, source.day.kind, run_id=run_id)
        parked = ledger.find_parked(connection, entry, reason)
        if parked is None:
            ledger.park(connection, entry, reason)
    return LoadResult(source.name, day, key, "parked", parked or load_id, reason=reason)


def _duplicates(batch: Batch, deleted: Mapping[int, bool]) -> dict[int, Violation]:
    """Return the violations of a batch's deleted duplicates, by index."""
    found: dict[int, Violation] = {}
    for index in range(len(batch.records)):
        if (is_equal := deleted.get(batch.first + index)) is not None:
            what = "the same record" if is_equal else "another record with its key"
            found[index] = Violation(None, f"duplicate: {what} is in this object")
    return found
