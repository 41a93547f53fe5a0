"""The records of one answer in any declared format. Invariant: an answer is read to its end."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from scripts.errors import InvalidDataError
from scripts.extract.envelope import Envelope, parse_skeleton
from scripts.extract.gunzip import gunzipped
from scripts.extract.lines import csv_records, ndjson_records
from scripts.landing.json_array import Batch, MalformedRecord
from scripts.landing.json_scanner import utf8
from sources import Source
from sources.declaration.paths import Path, parts_of, shown_path

Found = Batch | MalformedRecord


class Answer(Protocol):
    """One answer. `skeleton` is what it says besides its records, once these were read."""

    skeleton: Any

    def records(self) -> Iterator[Found]:
        """Yield the records in order. Raises InvalidDataError if the answer is not whole."""

    def check_found(self, *, allows_empty: bool) -> None:
        """Raise InvalidDataError if the place of the records does not exist."""


def open_answer(source: Source, blocks: Iterable[bytes], max_record_bytes: int) -> Answer:
    """Return the reader of a source's format."""
    plain = gunzipped(iter(blocks))
    if source.format == "ndjson":
        return _Lines(ndjson_records(plain, max_record_bytes))
    if source.format == "csv":
        return _Lines(csv_records(plain, max_record_bytes))
    if source.is_single_record:
        return _SingleRecord(plain, source.data_selector, max_record_bytes)
    return Envelope(plain, source.data_selector, max_record_bytes)


class _Lines:
    """An answer that has nothing besides its records."""

    def __init__(self, found: Iterator[Batch]) -> None:
        self.skeleton: Any = None
        self._found = found

    def records(self) -> Iterator[Batch]:
        return self._found

    def check_found(self, *, allows_empty: bool) -> None:
        pass


class _SingleRecord:
    """An answer whose only record is an object."""

    def __init__(self, blocks: Iterable[bytes], selector: Path, max_record_bytes: int) -> None:
        self.skeleton: Any = None
        self._blocks = blocks
        self._selector = selector
        self._max_bytes = max_record_bytes
        self._is_found = False

    def records(self) -> Iterator[Batch]:
        text = b""
        for block in utf8(self._blocks):
            text += block
            if len(text) > self._max_bytes:
                raise InvalidDataError(f"larger than {self._max_bytes} bytes (max_record_bytes)")
        try:
            self.skeleton = parse_skeleton(text)
            record = raw_at(text, self._selector)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidDataError(f"expected JSON, got {error}") from None
        if record is not None and bytes(record[:1]) == b"{":
            self._is_found = True
            array = b"[%b]" % record
            yield Batch(0, 0, array, msgspec.json.decode(array, type=list[msgspec.Raw]))

    def check_found(self, *, allows_empty: bool) -> None:
        if not (self._is_found or allows_empty):
            raise InvalidDataError(f"no object at {shown_path(self._selector)}")


def raw_at(text: bytes, path: Path) -> bytes | None:
    """Return the bytes of the value at a path, or None if it is not there."""
    for part in parts_of(path):
        if text.startswith(b"["):
            items = msgspec.json.decode(text, type=list[msgspec.Raw])
            is_there = part.isdecimal() and int(part) < len(items)
            raw = items[int(part)] if is_there else None
        else:
            raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get(part)
        if raw is None:
            return None
        text = bytes(raw)
    return text.strip(b" \t\r\n")
