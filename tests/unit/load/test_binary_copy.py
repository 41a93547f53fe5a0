"""The bytes of a batch of rows for COPY BINARY."""

import msgspec
import pytest

from scripts.landing.json_array import Batch
from scripts.load.binary_copy import RowCopy
from scripts.load.contract import CheckedBatch, Violation
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def batch(*ids: int, first: int = 0) -> Batch:
    text = msgspec.json.encode([{"userId": 1, "id": i, "title": "", "body": ""} for i in ids])
    return Batch(first, 1, text, msgspec.json.decode(text, type=list[msgspec.Raw]))


def test_rows_are_numbered_by_their_place_in_the_object() -> None:
    one = batch(-2, 7, first=3)
    rows = RowCopy(POSTS, load_id=9)

    packed = rows.pack(one, CheckedBatch([(1, 7, "t", "b")], [], {0: Violation(None, "bad")}))

    assert packed == rows.pack(batch(7, first=4), CheckedBatch([(1, 7, "t", "b")], [], {}))
    assert rows.copied == 2
