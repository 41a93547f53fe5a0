"""A gzip file is read to its end, and anything else passes unchanged."""

import gzip
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import InvalidDataError
from scripts.extract.gunzip import gunzipped

pytestmark = pytest.mark.unit

TEXT = b"one, two\n" * 50


def read(data: bytes, size: int) -> bytes:
    return b"".join(gunzipped(data[i : i + size] for i in range(0, len(data), size)))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_file_is_decompressed_however_it_is_cut(text: bytes, size: int) -> None:
    assert read(gzip.compress(text), size) == text
    assert read(gzip.compress(text) + gzip.compress(TEXT), size) == text + TEXT
    assert read(b"x" + text, size) == b"x" + text


def test_a_cut_at_any_byte_is_refused() -> None:
    whole = gzip.compress(TEXT)
    for at in range(2, len(whole)):
        with pytest.raises(InvalidDataError, match="ends too early"):
            read(whole[:at], 7)


def test_damage_is_refused() -> None:
    whole = bytearray(gzip.compress(TEXT))
    whole[-6] ^= 1  # of the checksum
    with pytest.raises(InvalidDataError, match="expected a gzip file"):
        read(bytes(whole), 1000)


def test_a_small_block_with_a_huge_text_comes_in_pieces() -> None:
    def one() -> Iterator[bytes]:
        yield gzip.compress(bytes(50_000_000))

    assert max(map(len, gunzipped(one()))) <= 1 << 18
