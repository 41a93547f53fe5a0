"""Find the records in an answer. Invariant: what is outside them is kept, parsed, and bounded.

The records at `data_selector` go to the cutter of `scripts.landing.json_array`, in memory that does
not grow with them. The rest of the answer, where each of those arrays is replaced by ``[]``, is the
skeleton. It must be JSON of at most 1 MiB. The paginator reads it.

The walk over the skeleton only follows strings and brackets. That is enough: if the skeleton is not
JSON, parsing it at the end fails, and nothing lands.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from scripts.errors import InvalidDataError
from scripts.landing.json_array import ArrayCutter, Batch, MalformedRecord
from scripts.landing.json_scanner import utf8
from sources.declaration.paths import Path, parts_of, shown_path

MAX_SKELETON_BYTES = 1024**2
_MAX_SHOWN = 10
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_TOKEN = re.compile(
    rb'[ \t\r\n]*+(?:("(?:[^"\\]|\\.)*+")|([{}\[\]:,])|([^ \t\r\n{}\[\]:,"]++))', re.DOTALL
)
_VALUE = re.compile(rb'[{\["0-9-]|(true|false|null)\Z')
# Numbers keep their digits as texts, because a cursor can look like a number.
parse_skeleton = msgspec.json.Decoder(float_hook=str).decode


class Envelope:
    """The records of one answer and, once they were read, the rest of it as `skeleton`."""

    def __init__(self, blocks: Iterable[bytes], selector: Path, max_record_bytes: int) -> None:
        self.skeleton: Any = None
        self._selector = selector
        self._max_record_bytes = max_record_bytes
        self._blocks = utf8(blocks)
        self._buffer = b""
        self._at = self._offset = self._position = 0
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._places: list[str | int] = []  # the field name or index in each open container
        self._is_name_next = False
        self._found: set[tuple[str, ...]] = set()
        self._others: dict[str, None] = {}  # a set in the order of the answer

    def records(self) -> Iterator[Batch | MalformedRecord]:
        """Yield the records in order. Raises InvalidDataError if the answer is not JSON."""
        while len(self._buffer) < len(_BOM) and self._more():
            pass
        self._at = len(_BOM) if self._buffer.startswith(_BOM) else 0
        while token := self._token():
            if token == b"[" and self._is_selected():
                yield from self._cut()
                token = b"[]"
            else:
                self._walk(token)
            self._keep(token)
        self.skeleton = self._parse()

    def check_found(self, *, allows_empty: bool) -> None:
        """Raise InvalidDataError unless an array was at the selector.

        For a list that may be empty, null there is an empty list.
        """
        is_null = allows_empty and value_at(self.skeleton, self._selector) is None
        if not self._found and not (is_null and has_place(self.skeleton, self._selector)):
            raise InvalidDataError(f"no array at {shown_path(self._selector)}; {self._arrays()}")

    def _cut(self) -> Iterator[Batch | MalformedRecord]:
        """Yield the records of the array that begins before this place."""
        path = tuple(map(str, self._places))
        if path in self._found:
            raise InvalidDataError(f"two arrays at {shown_path(path)}")
        self._found.add(path)
        cutter = ArrayCutter(
            chain([self._buffer[self._at - 1 :]], self._blocks),
            self._max_record_bytes,
            position=self._position,
            offset=self._offset + self._at - 1,
        )
        yield from cutter.records()
        self._buffer, self._at = cutter.rest(), 0
        self._offset, self._position = cutter.end, cutter.position

    def _walk(self, token: bytes) -> None:
        """Follow one token of the skeleton, to know the place of the next one."""
        if token in (b"{", b"["):
            self._note(token)
            self._places.append(0 if token == b"[" else "")
        elif token in (b"}", b"]"):
            if not self._places:
                raise InvalidDataError(f"unexpected {token.decode()!r} at byte {self._end - 1}")
            self._places.pop()
        elif token == b"," and self._places and isinstance(index := self._places[-1], int):
            self._places[-1] = index + 1
        elif self._is_name_next and token.startswith(b'"'):
            self._places[-1] = _text(token)
        in_object = bool(self._places) and isinstance(self._places[-1], str)
        self._is_name_next = in_object and token in (b"{", b",")

    def _note(self, token: bytes) -> None:
        """Remember where another array is, for the error message."""
        if token == b"[" and len(self._others) < _MAX_SHOWN:
            parts = ("*" if isinstance(place, int) else place for place in self._places)
            self._others[".".join(parts) or "the top level"] = None

    def _is_selected(self) -> bool:
        parts = parts_of(self._selector)
        return len(parts) == len(self._places) and all(
            part in ("*", str(place)) for part, place in zip(parts, self._places, strict=True)
        )

    def _token(self) -> bytes:
        """Return the next token, empty at the end of the answer."""
        while True:
            match = _TOKEN.match(self._buffer, self._at)
            is_open = match is None or (match[3] and match.end() == len(self._buffer))
            if not (is_open and self._more()):
                break
        if match is None:
            if self._buffer[self._at :].strip(_SPACE):
                raise InvalidDataError(f"the answer ends at byte {self._all}, inside a string")
            return b""
        self._at = match.end()
        token: bytes = match[match.lastindex or 0]
        self._check_top(token)
        return token

    def _check_top(self, token: bytes) -> None:
        """Raise InvalidDataError for what can be no JSON before the first and after the last."""
        where = f"got {token[:1]!r} at byte {self._end - len(token)}"
        if not self._kept and not _VALUE.match(token):
            raise InvalidDataError(f"expected JSON, {where}")
        if self._kept and not self._places:
            hint = '. If each line is one record, declare format="ndjson"' if token == b"{" else ""
            raise InvalidDataError(f"expected nothing after the answer, {where}{hint}")

    def _more(self) -> bool:
        """Read on. Ever larger pieces keep the scanning of a long string linear."""
        parts = [self._buffer[self._at :]]
        wanted, got = max(1, len(parts[0])), 0
        for block in self._blocks:
            parts.append(block)
            got += len(block)
            if got >= wanted:
                break
        self._offset += self._at
        self._buffer, self._at = b"".join(parts), 0
        self._limit(len(parts[0]))
        return got > 0

    def _keep(self, token: bytes) -> None:
        self._kept.append(token)
        self._kept_bytes += len(token) + 1
        self._limit(0)

    def _limit(self, pending: int) -> None:
        if self._kept_bytes + pending > MAX_SKELETON_BYTES:
            raise InvalidDataError(
                f"more than 1 MiB outside of {shown_path(self._selector)} at byte {self._end}; "
                f"{self._arrays()}"
            )

    def _arrays(self) -> str:
        return f"found: {', '.join(self._others)}" if self._others else "the answer has no array"

    @property
    def _end(self) -> int:
        """The offset in the answer of the next byte to read."""
        return self._offset + self._at

    @property
    def _all(self) -> int:
        return self._offset + len(self._buffer)

    def _parse(self) -> Any:
        if self._places:
            raise InvalidDataError(f"the answer ends at byte {self._all}, inside its JSON")
        try:
            return parse_skeleton(b" ".join(self._kept))
        except (msgspec.MsgspecError, RecursionError) as error:
            what = (
                f"nothing at byte {self._all}"
                if not self._kept
                else f"{error}, outside of the records"
            )
            raise InvalidDataError(f"expected JSON, got {what}") from None


def value_at(value: Any, path: Path) -> Any:
    """Return the value at a path of a parsed answer, or None if it is not there."""
    for part in parts_of(path):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def has_place(value: Any, path: Path) -> bool:
    """Return whether a path of a parsed answer is there, be its value null or not."""
    *above, last = parts_of(path) or ("",)
    parent = value_at(value, tuple(above))
    return isinstance(parent, dict) and last in parent


def _text(token: bytes) -> str:
    try:
        return msgspec.json.decode(token, type=str)
    except msgspec.MsgspecError:
        return ""  # parsing the skeleton will refuse it
