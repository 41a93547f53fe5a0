"""The contract decides per record, with a reason, without a database."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from scripts.errors import InvalidDataError
from scripts.landing.json_array import Batch, read_records
from scripts.load.contract import MAX_DEPTH, CheckedBatch, Contract
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def _post(number: Any, **changes: Any) -> dict[str, Any]:
    return {"userId": 1, "id": number, "title": "t", "body": "b", **changes}


def _batch(records: list[Any]) -> Batch:
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    [batch] = read_records([b"[" + b",".join(lines) + b"]"], max_record_bytes=1 << 20)
    assert isinstance(batch, Batch)
    return batch


def ids(checked: CheckedBatch) -> list[Any]:
    return [row[1] for row in checked.rows]


def test_records_that_fit_give_their_rows_in_order() -> None:
    checked = Contract(POSTS).check(_batch([_post(7), _post(9, extra=[1])]))
    assert checked.rows == [(1, 7, "t", "b"), (1, 9, "t", "b")]
    assert checked.extras == [{}, {"extra": msgspec.Raw(b"[1]")}]
    assert checked.breaches == {}


def test_a_record_that_does_not_fit_is_named_and_the_others_pass() -> None:
    checked = Contract(POSTS).check(_batch([_post(1), _post("2"), _post(3), {"id": 4}]))
    assert ids(checked) == [1, 3]
    assert checked.extras == []
    assert checked.breaches.keys() == {1, 3}
    assert checked.breaches[1].field == "id"
    assert "int" in checked.breaches[1].reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (_post(1, title="a\x00b"), "NUL"),
        (_post(2**63), "Expected `int` <= 9223372036854775807"),
        (b'{"userId":1,"id":1,"title":"t","body":"b","n":1e400}', "number out of range"),
        (b'{"userId":1,"id":1,"title":"t","body":"b","n":1e-20000}', "number out of range"),
        (
            b'{"userId":1,"id":1,"title":"t","body":"b","n":'
            + b"[" * (MAX_DEPTH + 1)
            + b"]" * (MAX_DEPTH + 1)
            + b"}",
            "nested deeper",
        ),
    ],
    ids=["NUL", "key of 65 bits", "1e400", "1e-20000", "deep"],
)
def test_what_jsonb_or_the_key_column_cannot_hold_is_rejected(record: Any, reason: str) -> None:
    """Also where the record before it, in the same batch, is the first with a new field."""
    checked = Contract(POSTS).check(_batch([_post(3, n=1), record, _post(5)]))
    assert ids(checked) == [3, 5]
    assert reason in checked.breaches[1].reason


def test_new_fields_are_learned_or_refused() -> None:
    contract = Contract(POSTS)
    contract.check(_batch([_post(1, colour="red")]))
    contract.check(_batch([_post(2, colour="red", size=1)]))
    assert contract.new_fields == ["colour", "size"]

    frozen = Contract(replace(POSTS, on_new_field="freeze"))
    with pytest.raises(InvalidDataError, match="colour"):
        frozen.check(_batch([_post(1), _post(2, colour="red")]))
