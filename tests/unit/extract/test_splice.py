"""A record keeps its bytes behind the field of its parent, or is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import InvalidDataError
from scripts.extract.splice import head_of, spliced, spliced_batch
from scripts.landing.json_array import Batch, read_records

pytestmark = pytest.mark.unit
HEAD = head_of({"order_id": 7})
_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def test_the_parent_is_the_first_field() -> None:
    lines = b'{"id":1,"n":1.10},\n{},\n{"a":{}}'
    assert spliced(lines, HEAD, 0).split(b",\n") == [
        b'{"_parent":{"order_id":7},"id":1,"n":1.10}',
        b'{"_parent":{"order_id":7}}',
        b'{"_parent":{"order_id":7},"a":{}}',
    ]
    assert head_of({"a": 'x"\n', "b": 1}) == rb'{"_parent":{"a":"x\"\n","b":1}'


@given(st.lists(st.dictionaries(st.text(max_size=4), _values, max_size=4), min_size=1, max_size=5))
def test_all_else_stays(records: list[dict[str, Any]]) -> None:
    lines = b",\n".join(json.dumps(one, separators=(",", ":")).encode() for one in records)
    landed = json.loads(b"[%b]" % spliced(lines, HEAD, 0))
    assert landed == [{"_parent": {"order_id": 7}, **one} for one in records]


@pytest.mark.parametrize(
    "record",
    [
        b'{"_parent":1}',
        b'{"id":1,"_parent":{"order_id":7}}',
        rb'{"a":[{"b":"{"}],"\u005fparent":1}',
        rb'{"\u005F\u0070\u0061\u0072\u0065\u006E\u0074":1}',
        rb'{"s":"\ud800","_p\u0061rent":1}',
    ],
)
def test_a_record_that_has_the_field_is_refused_in_any_spelling(record: bytes) -> None:
    with pytest.raises(InvalidDataError, match="record 5 has the field _parent"):
        spliced(b'{"id":1},\n' + record, HEAD, 4)


@pytest.mark.parametrize(
    "record",
    [
        b'{"a":{"_parent":1}}',
        b'{"a":[{"_parent":1}]}',
        b'{"a":"_parent"}',
        rb'{"\\u005fparent":1}',
        rb'{"a":"{\"_parent\":1}"}',
        b'{"_parents":1}',
    ],
)
def test_only_the_field_itself_is_reserved(record: bytes) -> None:
    assert spliced(record, HEAD, 0) == HEAD + b"," + record[1:]


def test_a_batch_is_shown_as_it_would_land() -> None:
    [batch] = read_records([b'[ {"id": 1},\n\n{ } ]'], max_record_bytes=99)
    assert isinstance(batch, Batch)
    assert [*map(bytes, spliced_batch(batch, HEAD).records)] == [
        b'{"_parent":{"order_id":7},"id": 1}',
        b'{"_parent":{"order_id":7}}',
    ]
