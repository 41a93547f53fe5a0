"""The array contains the whole answer in the records' own bytes, or an error is raised."""

import json
import random
import tempfile
import tracemalloc
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.sample_data import Sample
from scripts.errors import InvalidDataError
from scripts.extract.record_array import RecordArray
from scripts.landing.json_array import read_records

pytestmark = pytest.mark.unit
MAX_RECORD_BYTES = 10_000

_sample = Sample(12, 3)
ANSWER = json.dumps([_sample.record("posts", i) for i in range(1, 13)], indent=2).encode()
_fields = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.none() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    max_size=4,
)


def blocks(text: bytes, size: int = 64) -> Iterator[bytes]:
    return (text[i : i + size] for i in range(0, len(text), size))


def append(array: RecordArray, parts: Iterable[bytes]) -> None:
    for found in read_records(parts, max_record_bytes=MAX_RECORD_BYTES):
        array.append(found)


def collected(*pages: bytes, size: int = 64) -> bytes:
    with tempfile.SpooledTemporaryFile(max_size=4096) as spool:
        array = RecordArray(spool, MAX_RECORD_BYTES)
        for page in pages:
            append(array, blocks(page, size))
        array.finish()
        return spool.read()


@given(st.lists(st.lists(_fields, max_size=6), max_size=4), st.integers(1, 50), st.booleans())
def test_pages_become_one_array_with_one_record_a_line(
    pages: list[list[dict[str, object]]], size: int, ascii_: bool
) -> None:
    texts = [json.dumps(page, indent=1, ensure_ascii=ascii_).encode() for page in pages]
    records = [record for page in pages for record in page]

    landed = collected(*texts, size=size)

    assert json.loads(landed) == records
    lines = landed.split(b"\n")
    assert [json.loads(line.removesuffix(b",")) for line in lines[1:-2]] == records
    assert (lines[0], lines[-2:]) == (b"[", [b"]", b""])


@given(st.integers(1, len(ANSWER)), st.sampled_from([1, 4, "\t"]))
@settings(max_examples=30)
def test_neither_blocks_nor_line_breaks_change_what_lands(size: int, indent: int | str) -> None:
    other = json.dumps(json.loads(ANSWER), indent=indent).encode()
    assert collected(ANSWER) == collected(ANSWER, size=size) == collected(other, size=size)


@given(
    st.lists(
        st.tuples(
            _fields, st.sampled_from([None, 1]), st.sampled_from(["", " ", "\t", "\n", " \r\n"])
        )
    ),
    st.integers(1, 200),
)
def test_a_record_lands_as_it_would_alone(
    written: list[tuple[dict[str, object], int | None, str]], size: int
) -> None:
    texts = [(json.dumps(record, indent=indent), between) for record, indent, between in written]
    answer = "[" + ",".join(between + text + between for text, between in texts) + "]"
    alone = [
        text if indent is None else json.dumps(record, separators=(",", ":"))
        for (text, _), (record, indent, _) in zip(texts, written, strict=True)
    ]
    lines = "[\n" + ",\n".join(alone) + ("\n]\n" if alone else "]\n")
    assert collected(answer.encode(), size=size) == lines.encode()


def test_an_answer_cut_at_any_byte_is_refused() -> None:
    for cut in range(len(ANSWER)):
        with pytest.raises(InvalidDataError, match=rf"byte {cut}\b|nothing at byte 0"):
            collected(ANSWER[:cut], size=97)


def test_another_try_of_a_page_leaves_no_trace() -> None:
    with tempfile.SpooledTemporaryFile(max_size=100) as spool:
        array = RecordArray(spool, 1 << 20)
        append(array, blocks(b'[{"a":1}]'))
        start = array.mark()
        for broken in (ANSWER[:-10], ANSWER[:-3]):
            with pytest.raises(InvalidDataError):
                append(array, blocks(broken))
            array.rewind(start)
        append(array, blocks(b'[{"b":2}]'))
        digest, expected = array.finish(), b'[\n{"a":1},\n{"b":2}\n]\n'
        assert (spool.read(), array.rows, array.size) == (expected, 2, len(expected))
        assert digest == sha256(expected).hexdigest()


def test_an_empty_list_is_an_empty_array() -> None:
    assert collected(b" [ ] ") == collected() == b"[\n]\n"


@pytest.mark.parametrize(
    "record",
    [
        b'{"n":[1.10,1e5,-0,1E+2,0.0]}',
        b'{"n":' + b"7" * 5000 + b"}",
        rb'{"s":"\u00e9\/\ud83d\ude80 \\ \" \u0000"}',
        rb'{"s":"\ud800","t":"\udc00\ud800"}',
        b'{"b":1,"a":2,"b":3}',
        b'{"deep":' + b"[" * 3000 + b"]" * 3000 + b"}",
        '{"ключ":"数据 🚀"}'.encode(),
    ],
    ids=["digits", "5000 digits", "escapes", "lone surrogates", "double keys", "deep", "unicode"],
)
def test_a_record_keeps_its_own_bytes(record: bytes) -> None:
    answer = b'[{"x": 1},\n  ' + record + b', {"x":\n2}]'
    assert collected(answer) == b'[\n{"x": 1},\n' + record + b',\n{"x":2}\n]\n'


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "got nothing at byte 0"),
        (b"{}", r"expected a JSON array.* got b'\{' at byte 0"),
        (b"<!DOCTYPE html><html></html>", r"got b'<' at byte 0"),
        (b"not JSON", "got b'n' at byte 0"),
        (b'{"posts": [{"id": 1}]}', "expected a JSON array"),
        (b'[{"id": 1}, 2]', "record 1 at byte 12: expected an object, got a number"),
        (b"[[]]", "record 0 at byte 1: expected an object, got an array"),
        (b'["a"]', "expected an object, got a string"),
        (rb'["\ud800"]', "expected an object, got a string"),
        (b'[{"id": NaN}]', "record 0 at byte 1: not JSON"),
        (b'[{"id": 1}, {"id": Infinity}]', "record 1 at byte 12: not JSON"),
        (b'[{"id": 1}, {"id": 01}]', "record 1 at byte 12: not JSON"),
        (b"[{'id': 1}]", "record 0 at byte 1: not JSON"),
        (b'[{"id": 1},]', "byte 11"),
        (b'[{"id": 1}] []', "byte 12"),
        (b'[{"id": 1}][{"id": 2}]', "byte 11"),
        (b'[{"id": "\xff"}]', "byte 9 is not UTF-8"),
        ('[{"id": 1}]'.encode("utf-16"), "UTF-8"),
        (b'[{"id": "' + b"x" * 20_000 + b'"}]', "record 0 at byte 1: larger than 10000 bytes"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_what_is_no_list_of_objects_is_refused_with_its_place(answer: bytes, says: str) -> None:
    with pytest.raises(InvalidDataError, match=says):
        collected(answer)


def test_blocks_may_be_cut_anywhere() -> None:
    chance = random.Random(5)
    answer = json.dumps([{"i": i, "s": "é🚀" * chance.randrange(9)} for i in range(999)]).encode()
    with tempfile.SpooledTemporaryFile() as spool:
        array = RecordArray(spool, 1 << 20)
        edges = sorted(chance.sample(range(len(answer)), 200))
        parts = (answer[a:b] for a, b in zip([0, *edges], [*edges, len(answer)], strict=True))
        append(array, parts)
        array.finish()
        assert json.loads(spool.read()) == json.loads(answer)


def test_memory_does_not_grow_with_the_answer() -> None:
    record = json.dumps(_sample.record("posts", 1), indent=2).encode()
    block = (b",\n  " + record) * 200
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as spool:
        array = RecordArray(spool, 1 << 20)
        tracemalloc.start()
        append(array, chain([b"[" + record], repeat(block, 500), [b"]"]))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert array.rows == 100_001
        assert spool.tell() > 20 * 1024**2
    assert peak < 8 * 1024**2
