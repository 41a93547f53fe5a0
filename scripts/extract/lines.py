"""Answers of one record a line: NDJSON and CSV. Invariant: a line is one record, or is refused.

Such an answer does not say where it ends, so the client accepts it only if HTTP does.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from scripts.errors import InvalidDataError
from scripts.landing.json_array import Batch
from scripts.landing.json_scanner import utf8

_BATCH_ROWS = 500
csv.field_size_limit(1 << 30)  # max_record_bytes limits a line
_BOM = b"\xef\xbb\xbf"
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


def ndjson_records(blocks: Iterable[bytes], max_record_bytes: int) -> Iterator[Batch]:
    """Yield the records of newline-delimited JSON. Blank lines are ignored.

    Raises:
        InvalidDataError: a line is not one JSON value, or is too large. Names the line.
    """
    numbered = enumerate(_lines(blocks, max_record_bytes), 1)
    filled = ((number, line) for number, line in numbered if line.strip())
    first = 0
    while batch := list(islice(filled, _BATCH_ROWS)):
        text = b"[%b]" % b",".join(line.strip() for _, line in batch)
        records = _decoded(text)
        if len(records) != len(batch):
            raise _wrong_line(batch)
        yield Batch(first, 0, text, records)
        first += len(records)


def csv_records(blocks: Iterable[bytes], max_record_bytes: int) -> Iterator[Batch]:
    """Yield the rows of a CSV file with a header line, as objects whose values are texts.

    Raises:
        InvalidDataError: the header or a row is wrong. Names the line.
    """
    texts = (line.decode() for line in _lines(blocks, max_record_bytes))
    reader = csv.reader(texts, strict=True)
    try:
        names = next(reader, [])
        if not all(names) or len(set(names)) < len(names) or not names:
            raise InvalidDataError(f"line 1: expected different column names, got {names}")
        first = 0
        while batch := list(islice(_rows(reader, names), _BATCH_ROWS)):
            text = msgspec.json.encode(batch)
            yield Batch(first, 0, text, _decoded(text))
            first += len(batch)
    except csv.Error as error:
        raise InvalidDataError(f"line {reader.line_num}: {error}") from None


def _rows(reader: Iterator[list[str]], names: list[str]) -> Iterator[dict[str, str]]:
    for row in reader:
        if row and len(row) != len(names):
            number = getattr(reader, "line_num", 0)
            raise InvalidDataError(f"line {number}: expected {len(names)} values, got {len(row)}")
        if row:
            yield dict(zip(names, row, strict=True))


def _lines(blocks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yield the lines with their ends. Only a newline ends a line, as both formats say."""
    pending: list[bytes] = []
    for block in _without_bom(utf8(blocks)):
        *whole, rest = block.split(b"\n")
        for line in whole:
            yield b"".join((*pending, line, b"\n"))
            pending = []
        pending.append(rest)
        if sum(map(len, pending)) > max_bytes:
            raise InvalidDataError(f"a line is larger than {max_bytes} bytes")
    if any(pending):
        yield b"".join(pending)


def _without_bom(blocks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for block in blocks:
        head += block
        if len(head) >= len(_BOM):
            break
    yield head.removeprefix(_BOM)
    yield from blocks


def _decoded(text: bytes) -> list[msgspec.Raw]:
    try:
        return _RAWS.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return []


def _wrong_line(batch: list[tuple[int, bytes]]) -> InvalidDataError:
    wrong = next(
        (number for number, line in batch if len(_decoded(b"[%b]" % line.strip())) != 1),
        batch[0][0],
    )
    return InvalidDataError(f"line {wrong}: expected one JSON value")
