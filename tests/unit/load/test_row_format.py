"""The bytes of a row, as COPY BINARY takes them."""

import msgspec
import pytest

from scripts.load.row_format import RowFormat
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit

_NULL = b"\xff\xff\xff\xff"


def _value(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def test_a_row_is_its_columns_each_with_its_size() -> None:
    form = RowFormat(POSTS, load_id=9)
    integers = [_value(value.to_bytes(8, "big")) for value in (9, 4, 1, 7)]

    packed = form.pack([4], [(1, 7, "t", "é")], [])

    assert form.names == ["load_id", "position", "user_id", "id", "extra", "title", "body"]
    texts = _value(b"t") + _value("é".encode())
    assert packed == b"\0\x07" + b"".join(integers) + _NULL + texts


def test_a_batch_without_rows_is_empty() -> None:
    assert RowFormat(POSTS, load_id=9).pack([], [], []) == b""


def test_only_rows_with_extra_fields_have_an_extra() -> None:
    form = RowFormat(POSTS, load_id=9)
    rows = [(1, 7, "t", "b"), (1, 8, "t", "b")]
    with_extra = form.pack([0, 1], rows, [{}, {"a": msgspec.Raw(b"1.50")}])
    assert with_extra.startswith(form.pack([0], rows[:1], []))
    assert _value(b'\x01{"a":1.50}') in with_extra
