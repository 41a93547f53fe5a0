"""Find where a JSON value ends, block by block. Invariant: each byte is scanned one time.

It knows only strings and brackets: the text that it cuts may be invalid JSON.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from scripts.errors import InvalidDataError

_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STRING = re.compile(b'"' + _REST_OF_STRING.pattern, re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 and -1, as signed bytes
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
_MARKS = re.compile(rb'"|[\[{]++|[\]}]++')  # runs, so that deep nesting is cheap
_MARK_OR_COMMA = re.compile(rb'["\[\]{},]')


class Scan:
    """The state inside one value between two blocks: the depth, and whether inside a string."""

    def __init__(self) -> None:
        self.depth = 0
        self._is_in_string = False
        self._is_escaped = False

    def feed(self, data: bytes, at: int) -> int:
        """Continue at ``data[at]``. Return the place of the `,` or `]` after the value, or -1."""
        while True:
            if self._is_in_string:
                at = self._leave_string(data, at)
                if at < 0:
                    return -1
            mark = (_MARKS if self.depth else _MARK_OR_COMMA).search(data, at)
            if mark is None:
                return -1
            if self.depth == 0 and mark[0] in (b",", b"]"):
                return mark.start()
            at = mark.start() + self._pass(mark[0])

    def _pass(self, marks: bytes) -> int:
        """Count a quote or a run of brackets. Return how many bytes that took."""
        if marks == b'"':
            self._is_in_string = True
            return 1
        if marks[0] in b"{[":
            self.depth += len(marks)
            return len(marks)
        closed = min(self.depth, len(marks))
        self.depth -= closed
        return closed or 1  # a stray `}` belongs to the value, which is then invalid JSON

    def _leave_string(self, data: bytes, at: int) -> int:
        """Return the offset after the closing quote of the string, or -1 if it continues."""
        if self._is_escaped and at < len(data):
            self._is_escaped, at = False, at + 1
        if closed := _REST_OF_STRING.match(data, at):
            self._is_in_string = False
            return closed.end()
        if at < len(data):
            backslashes = len(data) - max(at, len(data.rstrip(b"\\")))
            self._is_escaped = backslashes % 2 == 1
        return -1


_OTHER_KINDS = {
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"PK\x03\x04": "a zip file",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def depth(record: bytes) -> int:
    """Return how deep objects and arrays are nested in a record, which is valid JSON."""
    steps = _STRING.sub(b"", record).translate(_STEPS, delete=_NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks unchanged. Raises InvalidDataError at the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    for block in blocks:
        if not offset:
            _check_start(block)
        pending = len(decoder.getstate()[0])
        if pending or not block.isascii():
            _decode(decoder, block, offset - pending)
        offset += len(block)
        yield block
    _decode(decoder, b"", offset - len(decoder.getstate()[0]), final=True)


def _check_start(block: bytes) -> None:
    """Name a file of another kind, of which only the first bytes tell more than "not UTF-8"."""
    for start, kind in _OTHER_KINDS.items():
        if block.startswith(start):
            raise InvalidDataError(f"the input is {kind}: expected plain UTF-8 text")


def _decode(
    decoder: codecs.IncrementalDecoder, block: bytes, offset: int, *, final: bool = False
) -> None:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as error:
        raise InvalidDataError(
            f"byte {offset + error.start} is not UTF-8 ({error.reason}): "
            "the whole input must be UTF-8"
        ) from None
