"""One record a line: every line becomes one record, or is named."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import InvalidDataError
from scripts.extract.lines import csv_records, ndjson_records

pytestmark = pytest.mark.unit

_cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def read(reader: Any, text: bytes, size: int = 64) -> list[Any]:
    blocks = (text[i : i + size] for i in range(0, len(text), size))
    found: list[Any] = []
    for batch in reader(blocks, 10_000):
        assert batch.first == len(found)
        found += [json.loads(bytes(record)) for record in batch.records]
    return found


@given(
    st.lists(st.dictionaries(_cells, _cells | st.integers(), max_size=3), max_size=8),
    st.integers(1, 30),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_each_line_of_ndjson_is_a_record(records: list[Any], size: int, end: str) -> None:
    text = end.join(json.dumps(record) for record in records).encode()
    assert read(ndjson_records, text, size) == records
    assert read(ndjson_records, text + end.encode(), size) == records


@given(st.lists(st.tuples(_cells, _cells), max_size=8), st.integers(1, 30))
def test_each_row_of_csv_is_a_record_of_texts(rows: list[tuple[str, str]], size: int) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    expected = [{"a": a, "b": b} for a, b in rows]
    assert read(csv_records, file.getvalue().encode(), size) == expected
    assert read(csv_records, file.getvalue().encode("utf-8-sig"), size) == expected


def test_many_lines_keep_their_number() -> None:
    text = b'{"id": 1}\n' * 1200
    assert len(read(ndjson_records, text)) == 1200
    with pytest.raises(InvalidDataError, match="line 1201: expected one JSON value"):
        read(ndjson_records, text + b'{"id": \n' + text)


@pytest.mark.parametrize(
    ("reader", "text", "says"),
    [
        (ndjson_records, b'{"id": 1}\n{"id": ', "line 2"),
        (ndjson_records, b'{"id": 1},{"id": 2}\n{"id": 3}', "line 1"),
        (ndjson_records, b'{"id": 1}{"id": 2}', "line 1"),
        (ndjson_records, b'{"a": "' + b"x" * 20_000, "larger than 10000 bytes"),
        (ndjson_records, b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        (csv_records, b"", "line 1: expected different column names"),
        (csv_records, b"a,a\n1,2\n", "line 1: expected different column names"),
        (csv_records, b"a,\n1,2\n", "line 1: expected different column names"),
        (csv_records, b"a,b\n1,2\n1\n", "line 3: expected 2 values, got 1"),
        (csv_records, b"a,b\n1,2,3\n", "line 2: expected 2 values, got 3"),
        (csv_records, b'a,b\n1,"2', "line 2: unexpected end of data"),
        (csv_records, b'a,b\n1,"2"x\n', "line 2: "),
    ],
)
def test_a_wrong_line_is_named(reader: Any, text: bytes, says: str) -> None:
    with pytest.raises(InvalidDataError, match=says):
        read(reader, text)
