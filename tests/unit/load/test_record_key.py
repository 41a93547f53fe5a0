"""The key of a record that was rejected: read exactly, or called unreadable."""

import uuid
from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from scripts.load.record_key import key_of_texts, key_reader
from sources import Source
from sources.jsonplaceholder import API


class Inner(msgspec.Struct):
    id: int


class Ticket(msgspec.Struct):
    poll: str
    inner: Inner
    title: str


TICKETS = Source(api=API, name="t", path="/t", contract=Ticket, key=("poll", "inner.id"))


@pytest.mark.parametrize(
    "record",
    [
        b'{"inner": {"id": 7, "x": [NaN]}, "poll": "a"}',  # another field breaks the JSON
        b'{"inner": {"id": "7"}, "poll": "a"}',
        b'{"inner": {"id": 7.5}, "poll": "a"}',
        b'{"inner": {"id": 9223372036854775808}, "poll": "a"}',
        b'{"inner": {"id": true}, "poll": "a"}',
        b'{"inner": {"id": null}, "poll": "a"}',
        b'{"inner": [7], "poll": "a"}',
        b'{"inner": {"id": 7}}',
        b'{"inner": {"id": 7}, "poll": "\\u0000"}',
        b'{"inner": {"id": 7}, "poll": 1}',
        b'["poll", "a"]',
        b'"text"',
        b"null",
        b"{nope",
        b"",
        b"[" * 5000,
    ],
)
def test_a_key_that_does_not_fit_its_columns_is_unreadable(record: bytes) -> None:
    assert key_reader(TICKETS)(record) == "{}"


@pytest.mark.parametrize(
    "record",
    [
        b'{"inner": {"id": 7}, "poll": "a", "title": 5}',
        b' { "poll" : "a", "poll": "a" , "inner":{"id":7, "more": {"id": 8}} } ',
        b'{"title": "\\u0000", "inner": {"id": 7}, "poll": "\\u0061"}',
    ],
)
def test_the_key_is_read_although_the_record_breaks_the_contract(record: bytes) -> None:
    assert msgspec.json.decode(key_reader(TICKETS)(record)) == {"poll": "a", "inner_id": 7}


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (int, 7, "7"),
        (str, "7", "7"),
        (uuid.UUID, "6F1C9A52-7f0e-4f4e-9d53-0d6c1f2b3a4d", "6f1c9a52-7f0e-4f4e-9d53-0d6c1f2b3a4d"),
        (date, "2026-01-31", "2026-01-31"),
        (datetime, "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_key_given_as_text_is_the_same_key(type_: Any, value: Any, text: str) -> None:
    contract = msgspec.defstruct("Record", [("key", type_)])
    source = Source(api=API, name="r", path="/r", contract=contract, key=("key",))
    key = key_of_texts(source, [text])
    assert key == key_reader(source)(msgspec.json.encode({"key": value}))
    assert key != "{}"


def test_a_text_that_is_no_key_is_nobodys() -> None:
    assert key_of_texts(TICKETS, ["a", "seven"]) == "{}"
