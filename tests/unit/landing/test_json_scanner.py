"""The scanner finds where a value ends, wherever the blocks are cut."""

import bz2
import gzip
import json
import lzma
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import InvalidDataError
from scripts.landing.json_scanner import Scan, depth, utf8

pytestmark = pytest.mark.unit

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def _end(text: bytes, size: int) -> int:
    """Return where the first value of `text` ends, fed in blocks of `size` bytes."""
    scan = Scan()
    for start in range(0, len(text), size):
        end = scan.feed(text[start : start + size], 0)
        if end >= 0:
            return start + end
    return -1


@given(_values, st.sampled_from([",", "]"]), st.integers(1, 9), st.booleans())
def test_a_value_ends_at_the_comma_or_bracket_after_it(
    value: Any, mark: str, size: int, ascii_: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_).encode()
    assert _end(text + mark.encode() + b' "next"]', size) == len(text)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_quotes_and_brackets_inside_a_string_do_not_count(size: int) -> None:
    text = rb'{"a": "\\\"]},[{", "b\\": 1}'
    assert _end(text + b",", size) == len(text)


@pytest.mark.parametrize(
    ("record", "levels"),
    [
        (b"1", 0),
        (b'"[[["', 0),
        (b"{}", 1),
        (b'{"a": [[1], {}]}', 3),
        (rb'{"\"[[": "]]]\\", "b": []}', 2),
        (b"[" * 900 + b"]" * 900, 900),
    ],
)
def test_depth_counts_nesting_and_not_text(record: bytes, levels: int) -> None:
    assert depth(record) == levels


@given(_values, st.booleans())
def test_depth_is_that_of_the_parsed_value(value: Any, ascii_: bool) -> None:
    def levels(part: Any) -> int:
        if isinstance(part, dict):
            part = list(part.values())
        return 1 + max(map(levels, part), default=0) if isinstance(part, list) else 0

    assert depth(json.dumps(value, ensure_ascii=ascii_).encode()) == levels(value)


@pytest.mark.parametrize("size", [1, 2, 3, 64])
@pytest.mark.parametrize(("bad", "at"), [(b"\xff", 9), (b"\xc3(", 9), (b"\xed\xa0\x80", 9)])
def test_a_byte_that_is_not_utf8_is_named(bad: bytes, at: int, size: int) -> None:
    text = b'[{"id": "' + bad + b'"}]'

    def blocks() -> Iterator[bytes]:
        return (text[i : i + size] for i in range(0, len(text), size))

    with pytest.raises(InvalidDataError, match=rf"byte {at} is not UTF-8"):
        list(utf8(blocks()))


def test_a_character_that_is_cut_off_at_the_end_is_named() -> None:
    with pytest.raises(InvalidDataError, match="byte 1 is not UTF-8"):
        list(utf8([b'"', "é".encode()[:1]]))


@given(st.text(), st.integers(1, 5))
def test_valid_text_passes_unchanged(text: str, size: int) -> None:
    data = text.encode()
    assert b"".join(utf8(data[i : i + size] for i in range(0, len(data), size))) == data


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gzip.compress(b"[]", mtime=0), "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed with zstd"),
        (bz2.compress(b"[]"), "compressed with bzip2"),
        (lzma.compress(b"[]"), "compressed with xz"),
        ("[]".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "a zip file"),
        (b"PAR1rest", "a Parquet file"),
    ],
)
def test_a_file_of_another_kind_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(InvalidDataError, match=f"the input is {kind}"):
        list(utf8([data]))
