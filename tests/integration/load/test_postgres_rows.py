"""Rows in PostgreSQL belong to the transaction of their load."""

from typing import Any

import psycopg
import pytest

from scripts.errors import InvalidDataError
from scripts.landing.json_array import Batch
from scripts.load.contract import CheckedBatch, Contract
from scripts.load.postgres_rows import BATCH_ROWS, PostgresRows, in_batches
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.loading import query
from tests.unit.load.test_binary_copy import batch

pytestmark = pytest.mark.integration
_COUNTS = "select load_id, count(*) from raw.posts_rows group by load_id order by 1"


def checked(*ids: int) -> tuple[Batch, CheckedBatch]:
    one = batch(*ids)
    return one, Contract(POSTS).check(one)


def test_an_error_of_the_records_leaves_no_row(warehouse: Warehouse) -> None:
    def broken() -> Any:
        yield checked(1, 2)
        raise InvalidDataError("broken")

    with psycopg.connect(warehouse.loader, autocommit=True) as connection:
        rows = PostgresRows(connection, POSTS)
        with pytest.raises(InvalidDataError), connection.transaction():
            rows.append(1, broken())
        assert rows.append(2, [checked(1, 2)]).copied == 2
    assert query(warehouse, _COUNTS) == [(2, 2)]


def test_batches_are_deleted_until_one_is_not_full() -> None:
    sizes = [BATCH_ROWS, BATCH_ROWS, 3, 99]
    assert in_batches(lambda: sizes.pop(0)) == 2 * BATCH_ROWS + 3
    assert sizes == [99]
