"""Cut a JSON array into its records. Invariant: every byte ends in one record, or is refused.

`read_records` takes the blocks of a JSON array in any legal formatting. It yields batches of whole
records as raw bytes, in memory that does not grow with the array.

The fast path guesses where a record ends, and parses everything before that place in one call. A
guess looks for the text that stood between two earlier records. It is only accepted if the parser
accepts everything before it, so a text that looks like a separator cannot split a record. If the
parser reports the byte at which the JSON is invalid, the next guess ends before that byte.
Otherwise smaller guesses follow. Where they fail too, single records are cut by scanning strings
and brackets. A record that is not JSON therefore affects only itself.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import accumulate, count
from operator import add

import msgspec

from scripts.errors import InvalidDataError
from scripts.landing.json_scanner import Scan, utf8

HEAD_BYTES = 64 * 1024  # what is kept of a malformed or rejected record
_GATHER_BYTES = 64 * 1024
_GATHER_AT_MOST = 4 * 1024**2
_CAREFUL_BYTES = 8 * 1024  # size of a guess after a big guess failed for an unknown reason
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_FIRST_NAME = re.compile(rb'[ \t\r\n]{0,64}+(\{[ \t\r\n]{0,64}+"[^"\\]{0,128}+")')
_BETWEEN = re.compile(rb"[ \t\r\n,]*+")
_PLACE = re.compile(r"\(byte ([0-9]+)\)")  # at which the parser found invalid JSON
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Batch:
    """Neighbouring records, each one strictly valid JSON (a value of any type).

    Attributes:
        first: position of the first record in the array, from 0.
        start: offset in the input of ``text[1]``.
        text: the records as one JSON array, formatted as in the input.
        records: the records as views of `text`: ``bytes(record)``, ``len(record)``.
    """

    first: int
    start: int
    text: bytes
    records: list[msgspec.Raw]

    def ranges(self, indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of some records: their offsets in the input, end exclusive."""
        for index in indexes:
            start = self.start - 1 + self._starts[index]
            yield start, start + len(self.records[index])

    def part(self, low: int, high: int) -> bytes:
        """Return the records from `low` up to `high`, exclusive, as one JSON array."""
        end = self._starts[high - 1] + len(self.records[high - 1])
        return b"[%b]" % self.text[self._starts[low] : end]

    def holders(self, what: bytes) -> Iterator[int]:
        """Yield the indexes of the records that contain these bytes."""
        at = self.text.find(what)
        while at >= 0:
            index = bisect(self._starts, at) - 1
            yield index
            at = self.text.find(what, self._starts[index] + len(self.records[index]))

    @cached_property
    def _starts(self) -> list[int]:
        """The start of each record in `text`. Computed on demand: few batches need it."""
        text, records = self.text, self.records
        first = _after_gap(text, 1)
        end = first + len(records[0])
        between = text[end : _after_gap(text, end)]
        # Usually all separators are equal. Then the starts follow without a Python step per record.
        if text.startswith(between.join(records), first):
            ends = accumulate(map(len, records[:-1]), initial=first)
            return list(map(add, ends, count(0, len(between))))
        starts = [first]
        for record in records[:-1]:
            starts.append(_after_gap(text, starts[-1] + len(record)))
        return starts


def _after_gap(text: bytes, at: int) -> int:
    gap = _BETWEEN.match(text, at)
    return gap.end() if gap else at


@dataclass(frozen=True, slots=True)
class MalformedRecord:
    """A record that is not JSON or is too large: its place, its first 64 KB, and the reason."""

    position: int
    start: int
    end: int
    head: bytes
    sha256: str
    reason: str


def read_records(
    blocks: Iterable[bytes], *, max_record_bytes: int
) -> Iterator[Batch | MalformedRecord]:
    """Yield the records of a JSON array in order: valid ones in batches, malformed ones one by one.

    Args:
        blocks: the bytes of the array, cut anywhere. A leading BOM is ignored.
        max_record_bytes: a larger record is skipped and yielded as `MalformedRecord`.

    Raises:
        InvalidDataError: the whole input is not a JSON array in UTF-8. Names the byte position.
    """
    cutter = ArrayCutter(utf8(blocks), max_record_bytes)
    yield from cutter.records()
    cutter.check_end()


class ArrayCutter:
    """Cuts the array at the start of some blocks. `rest` returns what it read beyond the array.

    It holds the input that is not yet cut: ``buffer[at:]``, at offset ``offset + at``. `position`
    and `offset` are those of the first record and byte, if the array is a part of a larger answer.
    """

    def __init__(
        self,
        blocks: Iterator[bytes],
        max_record_bytes: int,
        *,
        position: int = 0,
        offset: int = 0,
    ) -> None:
        self.blocks = blocks
        self.max_record_bytes = max_record_bytes
        self.too_large = f"larger than {max_record_bytes} bytes"
        self.buffer = b""
        self.at = 0
        self.offset = offset
        self.position = position
        self.is_drained = False
        self.is_closed = False
        self.separator = b""  # from a record's `}` to the first field name of the next record
        self.gap = 0  # how many bytes of the separator come before that next record
        self.broken_at = 0  # where the parser last found invalid JSON: no guess reaches over it
        self.careful_until = 0  # up to this offset only small guesses: a big one failed there
        self.single_until = 0  # up to this offset no guesses: a small one failed there

    def records(self) -> Iterator[Batch | MalformedRecord]:
        """Yield the records of the array, and stop after its end."""
        self._open()
        while not self.is_closed:
            if len(self.buffer) - self.at < _GATHER_BYTES and not self.is_drained:
                self._more()
            yield self._guess() or self._scan_one()

    def rest(self) -> bytes:
        """Return the bytes that were read beyond the array. They begin at offset `end`."""
        return self.buffer[self.at :]

    @property
    def end(self) -> int:
        """The offset after the array."""
        return self.offset + self.at

    def check_end(self) -> None:
        """Raise InvalidDataError if anything but whitespace follows the array."""
        if rest := self._next_byte():
            raise self._refused(f"expected nothing after the array, got {rest!r}")

    def _open(self) -> None:
        self._more()
        if self.buffer.startswith(_BOM):
            self.at = len(_BOM)
        byte = self._next_byte()
        if byte != b"[":
            found = repr(byte) if byte else "nothing"
            raise self._refused(f"expected a JSON array, which begins with '[', got {found}")
        self.at += 1
        if self._next_byte() == b"]":
            self._move_to(self.at + 1)

    def _more(self) -> bool:
        """Read on and drop what is cut. Reading ever larger pieces keeps the copying linear."""
        wanted = min(max(_GATHER_BYTES, len(self.buffer) - self.at), _GATHER_AT_MOST)
        parts, got = [self.buffer[self.at :]], 0
        while got < wanted and not self.is_drained:
            block = next(self.blocks, None)
            self.is_drained = block is None
            parts.append(block or b"")
            got += len(parts[-1])
        self.offset += self.at
        self.buffer, self.at = b"".join(parts), 0
        return got > 0

    def _next_byte(self) -> bytes:
        """Move to the next byte that is not whitespace. Return it, or b"" at the end."""
        while True:
            if found := _NOT_SPACE.search(self.buffer, self.at):
                self.at = found.start()
                return found[0]
            self.at = len(self.buffer)
            if not self._more():
                return b""

    def _move_to(self, at: int) -> None:
        """Continue at `at`, after a record and its `,` or the final `]`."""
        self.is_closed = self.buffer[at - 1 : at] == b"]"
        self.at = at

    def _guess(self) -> Batch | None:
        """Cut as many records as a guess allows, or return None: then the next one is scanned."""
        here = self.offset + self.at
        if here < self.single_until:
            return None
        is_big = here >= self.careful_until
        cut = self._cut(is_big=is_big)
        if cut is None:
            return None
        end, after = cut
        parsed = self._parse(end)
        if isinstance(parsed, tuple):
            return self._batch(*parsed, after)
        if parsed is not None and here + parsed > self.broken_at:
            self.broken_at = here + parsed
            return self._guess()
        if is_big:
            self.careful_until = self.offset + end
            return self._guess()
        self.single_until = self.offset + end
        return None

    def _cut(self, *, is_big: bool) -> tuple[int, int] | None:
        """Guess (the end of a record, the start of the next one or the end of the array)."""
        limit = len(self.buffer) if is_big else self.at + _CAREFUL_BYTES
        if self.broken_at > self.offset + self.at:
            limit = min(limit, self.broken_at - self.offset)
        elif is_big and self.is_drained:
            end = self.buffer.rfind(b"]", self.at)
            if end > self.at and not self.buffer[end + 1 :].strip(_SPACE):
                return end, end + 1
        if not self.separator:
            return None
        # The last separator in reach may stand inside a string: `_parse` then refuses the guess.
        found = self.buffer.rfind(self.separator, self.at, limit)
        return (found + 1, found + self.gap) if found >= 0 else None

    def _parse(self, end: int) -> tuple[bytes, list[msgspec.Raw]] | int | None:
        """Return (text, records) up to `end` if all of it is JSON and no record is too large.

        Otherwise return how many bytes from here the JSON is invalid, or None if that is unknown.
        """
        text = b"".join((b"[", memoryview(self.buffer)[self.at : end], b"]"))
        try:
            records = _RAWS.decode(text)
        except msgspec.MsgspecError as error:
            place = _PLACE.search(str(error))
            # An error at the very end means that the guess ended inside a record.
            return int(place[1]) - 1 if place and int(place[1]) < len(text) - 1 else None
        except RecursionError:
            return None
        if len(text) > self.max_record_bytes and max(map(len, records)) > self.max_record_bytes:
            return None
        return (text, records) if records else None

    def _batch(self, text: bytes, records: list[msgspec.Raw], after: int) -> Batch:
        batch = Batch(self.position, self.offset + self.at, text, records)
        self.position += len(records)
        self._move_to(after)
        return batch

    def _scan_one(self) -> Batch | MalformedRecord:
        """Cut the next record by its brackets. Raises InvalidDataError if no record follows."""
        byte = self._next_byte()
        if byte in (b",", b"]"):
            raise self._refused(f"expected a record after the comma, got {byte!r}")
        start, scan = self.offset + self.at, Scan()
        end = scan.feed(self.buffer, self.at)
        while end < 0:
            held = len(self.buffer) - self.at
            if held > self.max_record_bytes:
                return self._skip_large(start, scan)
            self._more_of(start)
            end = scan.feed(self.buffer, self.at + held)
        self._learn(end)
        return self._single(start, end)

    def _more_of(self, start: int) -> None:
        if not self._more():
            raise InvalidDataError(
                f"the input ends at byte {self.offset + len(self.buffer)}, "
                f"inside record {self.position}, which began at byte {start}"
            )

    def _learn(self, comma: int) -> None:
        """Remember the text between this record and the next: later guesses search for it."""
        last = len(self.buffer[self.at : comma].rstrip(_SPACE)) + self.at - 1
        name = _FIRST_NAME.match(self.buffer, comma + 1)
        if name and self.buffer[last : last + 1] == b"}" and name.end() - last < 512:
            self.separator = self.buffer[last : name.end()]
            self.gap = name.start(1) - last

    def _single(self, start: int, end: int) -> Batch | MalformedRecord:
        record = self.buffer[self.at : end].rstrip(_SPACE)
        reason = self.too_large
        if len(record) <= self.max_record_bytes:
            text = b"[%b]" % record
            try:
                return self._batch(text, _RAWS.decode(text), end + 1)
            except msgspec.MsgspecError as error:
                reason = f"not JSON: {error}"
            except RecursionError:
                reason = "not JSON: nested too deep"
        self._move_to(end + 1)
        return self._malformed(
            start, start + len(record), record, sha256(record).hexdigest(), reason
        )

    def _skip_large(self, start: int, scan: Scan) -> MalformedRecord:
        """Read to the end of a record that is too large, and keep only its first bytes."""
        head, digest, end = b"", sha256(), -1
        while end < 0:
            part = memoryview(self.buffer)[self.at :]
            head = head or bytes(part[:HEAD_BYTES])
            digest.update(part)
            self.at = len(self.buffer)
            self._more_of(start)
            end = scan.feed(self.buffer, 0)
        digest.update(self.buffer[:end])
        self._move_to(end + 1)
        return self._malformed(start, self.offset + end, head, digest.hexdigest(), self.too_large)

    def _malformed(
        self, start: int, end: int, record: bytes, digest: str, reason: str
    ) -> MalformedRecord:
        position, self.position = self.position, self.position + 1
        return MalformedRecord(position, start, end, record[:HEAD_BYTES], digest, reason)

    def _refused(self, problem: str) -> InvalidDataError:
        return InvalidDataError(f"{problem} at byte {self.offset + self.at}")
