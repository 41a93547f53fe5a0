"""Split JSON arrays of any formatting, block size or damage, in linear time and bounded memory."""

import json
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.errors import InvalidDataError
from scripts.landing.json_array import HEAD_BYTES, Batch, MalformedRecord, read_records

pytestmark = pytest.mark.unit
_LIMIT = 16 * 1024**2

_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
_values = st.recursive(
    _scalars,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v),
    max_leaves=6,
)
_records = st.lists(st.dictionaries(st.text(max_size=5), _values, max_size=4), max_size=30)
_formats = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"indent": 2},
        {"separators": (" ,\r\n ", " : ")},
        {"indent": "\t", "ensure_ascii": False},
        {},
    ]
)


def blocks_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def cut(
    data: bytes | Iterable[bytes], size: int = 1 << 20, limit: int = _LIMIT
) -> list[bytes | str]:
    """Return each valid record as its bytes, and each malformed one as its reason."""
    found: list[bytes | str] = []
    blocks = blocks_of(data, size) if isinstance(data, bytes) else data
    for item in read_records(blocks, max_record_bytes=limit):
        if isinstance(item, MalformedRecord):
            assert item.position == len(found)
            found.append(item.reason)
        else:
            assert item.first == len(found)
            found += map(bytes, item.records)
    return found


@settings(max_examples=200, deadline=None)
@given(_records, _formats, st.integers(1, 70), st.integers(2, 40))
def test_any_array_in_any_formatting_and_blocks_comes_apart_as_json_says(
    records: list[dict[str, object]], formatting: dict[str, Any], size: int, copies: int
) -> None:
    expected = records * copies

    found = cut(json.dumps(expected, **formatting).encode(), size)

    assert [json.loads(record) for record in found] == expected


def test_byte_ranges_lead_back_to_each_record() -> None:
    data = b'\xef\xbb\xbf [\r\n {"a": 1} ,\n\n{"b":[{},{}]},\t{"c":"}, {"} ] '
    spans = [
        (data[start:end], bytes(record))
        for item in read_records(blocks_of(data, 3), max_record_bytes=_LIMIT)
        if isinstance(item, Batch)
        for (start, end), record in zip(
            item.ranges(range(len(item.records))), item.records, strict=True
        )
    ]
    assert [found for found, _ in spans] == [b'{"a": 1}', b'{"b":[{},{}]}', b'{"c":"}, {"}']
    assert all(found == record for found, record in spans)


@pytest.mark.parametrize("gaps", [(b",\n", b",\n"), (b" ,", b",\r\n\t")])
def test_ranges_of_some_records_of_one_batch(gaps: tuple[bytes, bytes]) -> None:
    """Records with equal or different separators, and ranges for only some of the records."""
    records = [b'{"a": 1}', b'{"b": [1, 2]}', b'{"c": ","}']
    data = b"[ " + records[0] + gaps[0] + records[1] + gaps[1] + records[2] + b" ]"
    [batch] = read_records([data], max_record_bytes=_LIMIT)
    assert isinstance(batch, Batch)
    assert len(batch.records) == 3
    assert [data[start:end] for start, end in batch.ranges([0, 2])] == [records[0], records[2]]
    assert [data[start:end] for start, end in batch.ranges([1])] == [records[1]]


def many(count: int, separator: bytes = b",\n") -> bytes:
    """Return a large array of ordinary records with texts that look like JSON."""
    row = b'{"userId": %d, "id": %d, "title": "},\\n{\\"userId\\"", "body": "' + b"x" * 150 + b'"}'
    return b"[" + separator.join(row % (n % 10, n) for n in range(count)) + b"]"


@pytest.mark.parametrize("separator", [b",", b",\n", b" ,\r\n\t", b"\n\n,"])
def test_a_large_array_arrives_whole_in_few_batches(separator: bytes) -> None:
    items = list(read_records(blocks_of(many(20_000, separator), 65_536), max_record_bytes=_LIMIT))
    ids = [json.loads(bytes(r))["id"] for i in items if isinstance(i, Batch) for r in i.records]
    assert ids == list(range(20_000))
    assert len(items) < 100


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"a": NaN}', "not JSON: JSON is malformed: invalid character"),
        (b'{"a": -Infinity}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": "\\udc00 x"}', "not JSON"),
        (b'{"a": "\\ud800\\u0041"}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1}}', "not JSON"),
        (b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}", "not JSON: nested too deep"),
        (b"tru", "not JSON"),
    ],
)
def test_a_record_that_is_no_json_costs_only_itself(bad: bytes, reason: str) -> None:
    parts = [json.dumps({"id": n, "text": "x" * 100}).encode() for n in range(5_000)]
    expected: list[bytes] = list(parts)
    for at in (0, 1, 2_500, 4_999):
        parts[at] = bad

    found = cut(b"[" + b",\n".join(parts) + b"]")

    assert len(found) == 5_000
    for at in (0, 1, 2_500, 4_999):
        item = found[at]
        assert isinstance(item, str)
        assert item.startswith(reason)
        found[at] = expected[at]
    assert found == expected


def test_records_beside_one_that_is_no_json_stay_together() -> None:
    parts = [b'{"id": %d, "text": "%b"}' % (n, b"x" * 100) for n in range(20_000)]
    for at in range(500, 20_000, 1_000):
        parts[at] = b'{"id": %d, "text": NaN}' % at

    items = list(read_records([b"[" + b",\n".join(parts) + b"]"], max_record_bytes=_LIMIT))

    assert [item.position for item in items if isinstance(item, MalformedRecord)] == [
        *range(500, 20_000, 1_000)
    ]
    assert len(items) < 80


def test_a_record_over_the_limit_is_skipped_and_described() -> None:
    large = b'{"id": 2, "text": "' + b"\\n" * 100_000 + b'"}'
    data = b'[{"id": 1},\n' + large + b',\n{"id": 3}]'
    items = list(read_records(blocks_of(data, 1_000), max_record_bytes=80_000))
    (faulty,) = [item for item in items if isinstance(item, MalformedRecord)]
    assert (faulty.position, data[faulty.start : faulty.end]) == (1, large)
    assert faulty.head == large[:HEAD_BYTES]
    assert faulty.sha256 == sha256(large).hexdigest()
    assert faulty.reason == "larger than 80000 bytes"
    assert cut(data, 1_000, 80_000)[::2] == [b'{"id": 1}', b'{"id": 3}']


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a JSON array, which begins with '[', got nothing at byte 0"),
        (b" \n ", "got nothing at byte 3"),
        (b"<html></html>", "got b'<' at byte 0"),
        (b'{"a": 1}', "got b'{' at byte 0"),
        (b"[", "the input ends at byte 1, inside record 0, which began at byte 1"),
        (b'[{"a": 1}', "the input ends at byte 9, inside record 0, which began at byte 1"),
        (b'[{"a": 1},', "the input ends at byte 10, inside record 1"),
        (b'[{"a": 1}, {"b": "]', "inside record 1, which began at byte 11"),
        (b'[{"a": 1}, ]', "expected a record after the comma, got b']' at byte 11"),
        (b"[,]", "expected a record after the comma, got b',' at byte 1"),
        (b'[{"a": 1},, {"b": 2}]', "got b',' at byte 10"),
        (b'[{"a": 1}] x', "expected nothing after the array, got b'x' at byte 11"),
        (b'[{"a": 1}][{"a": 2}]', "expected nothing after the array, got b'[' at byte 10"),
        (b"[]]", "expected nothing after the array, got b']' at byte 2"),
        (b'[{"a": "\xff"}]', "byte 8 is not UTF-8 (invalid start byte)"),
        (b'[{"a": "\xed\xa0\x80"}]', "byte 8 is not UTF-8"),
        (b'[{"a": 1}]\xc3', "byte 10 is not UTF-8 (unexpected end of data)"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_an_input_that_is_no_json_array_is_refused_at_its_byte(
    data: bytes, message: str, size: int
) -> None:
    with pytest.raises(InvalidDataError) as refused:
        cut(data, size)
    assert message in str(refused.value)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "comma", "utf8"])
def test_damage_at_the_end_of_a_large_array_is_refused_at_its_byte(damage: str) -> None:
    data = many(20_000)
    damaged, at = {
        "truncated": (data[:-1], len(data) - 1),
        "garbage": (data + b"\n{}", len(data) + 1),
        "comma": (data[:-1] + b",]", len(data)),
        "utf8": (data[:-3] + b"\xff" + data[-3:], len(data) - 3),
    }[damage]
    with pytest.raises(InvalidDataError, match=f"byte {at}"):
        cut(damaged)


def test_an_empty_array_has_no_records() -> None:
    assert cut(b" [ \n ] \n") == []


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" + b"[" * 4_000_000,
        b"[" + b"[ " * 200_000,
        b'["' + b"\\\\" * 2_000_000 + b'"]',
        b'[{"a":"' + b"},{" * 1_300_000 + b'"},{"a":1}]',
        b"[" + b"1," * 100_000 + b"1]",
        b"[" + b" " * 4_000_000 + b"]",
        b"[{}" + b",{NaN}" * 20_000 + b"]",
        b'[{"a":1}' + b',{"a":1}' * 20_000 + b',{"a":NaN}' * 20_000 + b"]",
        b"[" + b'{"a":{"b":{},"c":{}},"a":2},' * 100_000 + b"{}]",
    ],
    ids=[
        "brackets",
        "spaced",
        "escapes",
        "fake cuts",
        "scalars",
        "spaces",
        "nan",
        "mixed",
        "nested",
    ],
)
def test_hostile_input_takes_linear_time_and_little_memory(hostile: bytes) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        for _ in read_records(blocks_of(hostile, 65_536), max_record_bytes=1024**2):
            pass
    except InvalidDataError as error:
        if "inside record 0" not in str(error):
            raise
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 1024**2
    assert time.process_time() - began < 5


def test_an_endless_record_takes_little_memory() -> None:
    tracemalloc.start()
    body = (b"x" * 65_536 for _ in repeat(None, 2_000))
    blocks = [b'[{"a":"', *[b""] * 3]
    found = cut(part for source in (blocks, body, [b'"}, {"b": 1}]']) for part in source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [f"larger than {_LIMIT} bytes", b'{"b": 1}']
    assert peak < 100 * 1024**2
