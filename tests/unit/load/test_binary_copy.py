"""The bytes of a batch of rows for COPY BINARY, and the check of its key order."""

import msgspec
import pytest

from scripts.landing.json_array import Batch
from scripts.load.binary_copy import RowCopy
from scripts.load.contract import CheckedBatch, Contract, Violation
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def batch(*ids: int, first: int = 0) -> Batch:
    text = msgspec.json.encode([{"userId": 1, "id": i, "title": "", "body": ""} for i in ids])
    return Batch(first, 1, text, msgspec.json.decode(text, type=list[msgspec.Raw]))


def is_ordered(*batches: Batch) -> bool:
    rows, contract = RowCopy(POSTS, 1), Contract(POSTS)
    for one in batches:
        rows.pack(one, contract.check(one))
    return rows.is_ordered


def test_the_order_of_keys_must_hold_from_batch_to_batch() -> None:
    assert is_ordered(batch(-1, 2), batch(3, 9), batch(10))
    assert not is_ordered(batch(1, 2), batch(2, 3))
    assert not is_ordered(batch(1, 3, 2))
    assert not is_ordered(batch(1, 1))
    assert not is_ordered(batch(5), batch(6), batch(5))


def test_rows_are_numbered_by_their_place_in_the_object() -> None:
    one = batch(-2, 7, first=3)
    rows = RowCopy(POSTS, load_id=9)

    packed = rows.pack(one, CheckedBatch([(1, 7, "t", "b")], [], {0: Violation(None, "bad")}))

    assert packed == rows.pack(batch(7, first=4), CheckedBatch([(1, 7, "t", "b")], [], {}))
    assert rows.copied == 2
