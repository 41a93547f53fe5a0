"""Fetch a day in parts that outlive a failed run. Invariant: together they are the day's object.

Each part is an object below ``parts/<source>/<day>/``: a slice of the bytes that a run without
parts would land. ``state.json`` beside them names the versions that are whole, so that a run which
follows a failed one fetches only what is missing. At the end the store joins them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import IO, Any, NamedTuple

import msgspec

from scripts.errors import UnavailableError
from scripts.extract.record_array import RecordArray
from scripts.killpoints import reach
from scripts.landing.assembly import assemble
from scripts.landing.keys import part_key
from scripts.landing.store import ObjectHead, Store

_BLOCK_BYTES = 1 << 20
_VALID = timedelta(hours=12)  # for retries. The run of the next day asks for everything again
_NOTHING: dict[str, Any] = {}


class Fetched(NamedTuple):
    """What a part leaves: what the next one needs, None at the end, and the missing parents."""

    following: Any = None
    missing: int = 0


Fetch = Callable[[int, Any, RecordArray], Fetched]  # (number, what the one before left, array)


class Part(msgspec.Struct, frozen=True):
    """A part that is whole: its version, its records, and what it leaves."""

    head: ObjectHead
    rows: int
    fetched: Fetched


class State(msgspec.Struct, frozen=True):
    """What is whole of a day. `asked` is a digest of what was asked for."""

    asked: str
    begun_at: datetime
    parts: list[Part] = msgspec.field(default_factory=list)


class PartsOfDay:
    """The parts of one day of a source that are in the store."""

    def __init__(self, store: Store, source: str, day: date, asked: str, now: datetime) -> None:
        self._store = store
        self._source = source
        self._day = day
        self._new = State(sha256(asked.encode()).hexdigest(), now)
        self._state = self._found(now)
        self.is_resumed = bool(self._state.parts)

    def append(self, array: RecordArray, fetch: Fetch) -> int:
        """Append every part to an array: from the store if it is whole, else by `fetch`.

        Returns:
            how many parents the API did not know.
        """
        number = missing = 0
        following: Any = _NOTHING
        while following is not None:
            part = self._kept(number, array) or self._fetched(number, following, array, fetch)
            number, missing = number + 1, missing + part.fetched.missing
            following = part.fetched.following
        return missing

    def forget(self) -> None:
        """Begin again: no part is used any more."""
        self._save([])
        self.is_resumed = False

    def land(
        self, key: str, tail: IO[bytes], sha256: str, as_of: datetime | None, parent: str | None
    ) -> str | None:
        """Join the parts and `tail` to an object, described as by `Store.put`."""
        heads = [part.head for part in self._state.parts]
        facts = (sha256, as_of, parent)
        return assemble(self._store, key, heads, tail.read(), facts)

    def _kept(self, number: int, array: RecordArray) -> Part | None:
        """Append a part that is in the store, or return None."""
        if number >= len(self._state.parts):
            return None
        part = self._state.parts[number]
        opened = self._store.open(part.head.info.key, part.head.version_id)
        if opened is None:  # the bucket has removed it
            self._save(self._state.parts[:number])
            return None
        array.follow(opened.blocks(), part.rows)
        return part

    def _fetched(self, number: int, before: Any, array: RecordArray, fetch: Fetch) -> Part:
        """Append a part from the API, and keep it in the store."""
        rows = array.rows
        fetched = fetch(number, before, array)
        reach(f"ingest.before_part_{number}")
        head = self._put(f"{number:04}", array.file)
        reach(f"ingest.after_part_{number}")
        part = Part(head, array.rows - rows, fetched)
        self._save([*self._state.parts, part])
        array.keep_elsewhere()
        return part

    def _put(self, name: str, file: IO[bytes]) -> ObjectHead:
        """Put a part, and return the version that was put."""
        digest = _digest(file)
        key = part_key(self._source, self._day, name)
        self._store.put(key, file, digest)
        head = self._store.head(key)
        if head is None or head.sha256 != digest:
            raise UnavailableError(f"{key} is not what was put: another run lands the same day")
        return head

    def _found(self, now: datetime) -> State:
        opened = self._store.open(self._key)
        with suppress(msgspec.MsgspecError):
            text = b"".join(opened.blocks()) if opened else b""
            state = msgspec.json.decode(text, type=State)
            if state.asked == self._new.asked and now - state.begun_at < _VALID:
                return state
        return self._new

    def _save(self, parts: Sequence[Part]) -> None:
        begun_at = self._state.begun_at if parts else self._new.begun_at
        self._state = State(self._new.asked, begun_at, list(parts))
        text = msgspec.json.encode(self._state)
        self._store.put(self._key, BytesIO(text), sha256(text).hexdigest())

    @property
    def _key(self) -> str:
        return part_key(self._source, self._day, "state")


def _digest(file: IO[bytes]) -> str:
    digest = sha256()
    for block in _blocks(file):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
