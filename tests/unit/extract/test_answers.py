"""Each declared format has its reader, and each reads to the end."""

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from scripts.errors import InvalidDataError
from scripts.extract.answers import open_answer
from scripts.landing.json_array import Batch
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def read(text: bytes, **declared: Any) -> tuple[list[Any], Any]:
    answer = open_answer(replace(POSTS, **declared), [text], 1000)
    found: list[Any] = []
    for batch in answer.records():
        assert isinstance(batch, Batch)
        found += [json.loads(bytes(record)) for record in batch.records]
    answer.check_found(allows_empty=False)
    return found, answer.skeleton


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        (b'[{"id": "1"}]', {}),
        (b'{"data": [{"id": "1"}]}', {"data_selector": "data"}),
        (b'{"id": "1"}\n', {"format": "ndjson"}),
        (b"id\n1\n", {"format": "csv"}),
        (b'{"id": "1"}', {"is_single_record": True}),
        (b'{"a": [{"id": "1"}]}', {"is_single_record": True, "data_selector": "a.0"}),
    ],
    ids=str,
)
def test_a_record_is_found_in_each_format(text: bytes, declared: dict[str, Any]) -> None:
    assert read(text, **declared)[0] == [{"id": "1"}]
    assert read(gzip.compress(text), **declared)[0] == [{"id": "1"}]


def test_a_single_record_keeps_its_bytes_and_its_answer_can_be_looked_at() -> None:
    answer = open_answer(replace(POSTS, is_single_record=True), [b' {"n": 1.10, "ok": true} '], 99)
    [batch] = answer.records()
    assert isinstance(batch, Batch)
    assert bytes(batch.records[0]) == b'{"n": 1.10, "ok": true}'
    assert answer.skeleton["ok"] is True


@pytest.mark.parametrize(
    ("text", "selector", "says"),
    [
        (b"[]", "", "no object at the top level"),
        (b'{"a": 1}', "a", "no object at 'a'"),
        (b'{"a": [1]}', "a.1", r"no object at 'a\.1'"),
        (b'{"a": 1} {"b": 2}', "", "expected JSON"),
        (b'{"a": ', "", "expected JSON"),
        (b'{"a": "' + b"x" * 2000 + b'"}', "", r"larger than 1000 bytes \(max_record_bytes\)"),
    ],
    ids=str,
)
def test_another_answer_is_no_single_record(text: bytes, selector: str, says: str) -> None:
    with pytest.raises(InvalidDataError, match=says):
        read(text, is_single_record=True, data_selector=selector)
