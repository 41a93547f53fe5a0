"""The records are found at their place, and everything else stays readable and bounded."""

import json
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import InvalidDataError
from scripts.extract.envelope import MAX_SKELETON_BYTES, Envelope, value_at
from scripts.landing.json_array import Batch

pytestmark = pytest.mark.unit

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_records = st.lists(st.dictionaries(_texts, _values, max_size=3), max_size=6)


def read(text: bytes, selector: Any, size: int = 1 << 16) -> tuple[list[Any], Any]:
    """Return the records and the skeleton of a whole answer."""
    blocks = (text[i : i + size] for i in range(0, len(text), size))
    envelope = Envelope(blocks, selector, 1 << 20)
    found: list[Any] = []
    for batch in envelope.records():
        assert isinstance(batch, Batch)
        assert batch.first == len(found)
        found += [json.loads(bytes(record)) for record in batch.records]
    envelope.check_found(allows_empty=False)
    return found, envelope.skeleton


@given(_records, st.dictionaries(_texts, _values, max_size=4), st.integers(1, 40), st.booleans())
def test_records_and_skeleton_make_up_the_answer(
    records: list[Any], around: dict[str, Any], size: int, ascii_: bool
) -> None:
    answer = {**around, "data": {"x": 1, "items": records}, "after": [1]}
    for indent in (None, 2):
        text = json.dumps(answer, indent=indent, ensure_ascii=ascii_).encode()
        found, skeleton = read(text, "data.items", size)
        assert found == records
        assert skeleton == {**answer, "data": {"x": 1, "items": []}}


@given(st.lists(_records, min_size=1, max_size=4), st.integers(1, 40))
def test_a_star_joins_several_arrays(parts: list[list[Any]], size: int) -> None:
    text = json.dumps([{"results": part, "id": 1} for part in parts]).encode()
    found, skeleton = read(text, "*.results", size)
    assert found == [record for part in parts for record in part]
    assert skeleton == [{"results": [], "id": 1} for _ in parts]


def test_one_of_several_arrays_is_chosen_by_its_index() -> None:
    assert read(b'[{"r": [{"a": 1}]}, {"r": [{"a": 2}]}]', "1.r")[0] == [{"a": 2}]


def test_a_cut_at_any_byte_is_refused() -> None:
    text = json.dumps({"a": [1], "data": [{"id": 1}, {"id": 2}], "next": "x]}"}).encode()
    for at in range(len(text)):
        with pytest.raises(InvalidDataError):
            read(text[:at], "data")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "got nothing at byte 0"),
        (b"<html>", "got b'<' at byte 0"),
        (b"\x1f\x8b", "UTF-8"),
        (b"null", "no array at 'data'; the answer has no array"),
        (b'{"data": {}, "items": [], "d": {"l": [[1]]}}', "found: items, d.l, d.l.*"),
        (b'{"data": null}', "no array at 'data'"),
        (b'{"data": [], "data": []}', "two arrays at 'data'"),
        (b'{"data": []} []', r"expected nothing after the answer, got b'\[' at byte 13"),
        (b'{"data": []}\n{"data": []}', 'format="ndjson"'),
        (b'{"data": [], "n": 1 2}', "outside of the records"),
        (b'{"data": [], "n": tru}', "outside of the records"),
        (b'{"data": [] "n": 1}', "outside of the records"),
        (b'{"data": [{"id": 1}]]', "outside of the records"),
        (b"]", "got b'\\]' at byte 0"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(text: bytes, says: str) -> None:
    with pytest.raises(InvalidDataError, match=says):
        read(text, "data")


def test_null_is_an_empty_list_only_where_an_empty_list_is_allowed() -> None:
    envelope = Envelope([b'{"data": null}'], "data", 1 << 20)
    assert list(envelope.records()) == []
    envelope.check_found(allows_empty=True)
    envelope = Envelope([b'{"items": null}'], "data", 1 << 20)
    assert list(envelope.records()) == []
    with pytest.raises(InvalidDataError, match="no array at 'data'"):
        envelope.check_found(allows_empty=True)


def test_digits_stay_in_the_skeleton() -> None:
    _, skeleton = read(b'{"data": [], "a": 1.10, "b": 12345678901234567890123}', "data")
    assert str(value_at(skeleton, "a")) == "1.10"
    assert int(value_at(skeleton, "b")) == 12345678901234567890123


@pytest.mark.parametrize("head", [b'{"other": [', b'{"s": "'])
def test_a_large_rest_is_refused_early(head: bytes) -> None:
    def endless() -> Iterator[bytes]:
        yield head
        yield from repeat(b"1," * 5000, 10_000)

    blocks = endless()
    with pytest.raises(InvalidDataError, match="more than 1 MiB outside of 'data'"):
        list(Envelope(blocks, "data", 1 << 20).records())
    left = sum(1 for _ in blocks)
    assert left > 10_000 - 3 * MAX_SKELETON_BYTES / 10_000


def test_memory_does_not_grow_with_the_answer() -> None:
    record = b'{"id": 1, "title": "' + b"x" * 100 + b'"}'
    block = (b", " + record) * 200
    blocks = chain([b'{"next": null, "data": [', record], repeat(block, 1000), [b'], "n": 1}'])
    tracemalloc.start()
    envelope = Envelope(blocks, "data", 1 << 20)
    rows = sum(len(found.records) for found in envelope.records() if isinstance(found, Batch))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 200_001
    assert peak < 8 * 1024**2
    assert envelope.skeleton == {"next": None, "data": [], "n": 1}
