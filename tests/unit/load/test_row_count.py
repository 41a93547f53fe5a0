"""The check of the order of keys, from batch to batch."""

import pytest

from scripts.landing.json_array import Batch
from scripts.load.contract import Contract, Violation
from scripts.load.row_count import RowCount
from sources.jsonplaceholder import POSTS
from tests.unit.load.test_binary_copy import batch

pytestmark = pytest.mark.unit


def is_ordered(*batches: Batch) -> bool:
    rows, contract = RowCount(POSTS), Contract(POSTS)
    for one in batches:
        rows.positions(one, contract.check(one))
    return rows.is_ordered


def test_the_order_of_keys_must_hold_from_batch_to_batch() -> None:
    assert is_ordered(batch(-1, 2), batch(3, 9), batch(10))
    assert not is_ordered(batch(1, 2), batch(2, 3))
    assert not is_ordered(batch(1, 3, 2))
    assert not is_ordered(batch(1, 1))
    assert not is_ordered(batch(5), batch(6), batch(5))


def test_rows_have_the_places_of_the_valid_records() -> None:
    one = batch(1, 2, 3, first=7)
    rows, checked = RowCount(POSTS), Contract(POSTS).check(one)
    assert list(rows.positions(one, checked)) == [7, 8, 9]
    checked = checked._replace(rows=[checked.rows[0], checked.rows[2]])
    checked.breaches[1] = Violation(None, "bad")
    assert list(rows.positions(one, checked)) == [7, 9]
    assert rows.copied == 5
