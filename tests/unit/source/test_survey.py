"""The records, their key and their total are found where a person would look for them."""

from typing import Any

import pytest

from scripts.source.survey import proposed_key, survey, total_place

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("document", "selector"),
    [
        ([{"id": 1}], ""),
        ({"data": [{"id": 1}], "links": [{"rel": "next"}, {"rel": "last"}, {"rel": "x"}]}, "links"),
        ({"data": {"items": [{"id": 1}]}}, "data.items"),
        ({"a.b": [{"id": 1}]}, ("a.b",)),
        ({"tags": ["a", "b"], "data": [{"id": 1, "inner": [{"x": 1}, {"x": 2}]}]}, "data"),
    ],
    ids=str,
)
def test_the_longest_array_of_objects_is_proposed(document: Any, selector: Any) -> None:
    best, *_ = survey(document)
    assert (best.selector, best.is_single_record) == (selector, False)


def test_an_object_without_an_array_is_one_record() -> None:
    [only] = survey({"id": 1, "tags": ["a"]})
    assert (only.selector, only.is_single_record, len(only.records)) == ("", True, 1)
    assert survey([1, 2]) == survey("text") == []


@pytest.mark.parametrize(
    ("records", "key"),
    [
        ([{"name": "a", "id": 1}, {"name": "a", "id": 2}], ("id",)),
        ([{"order_id": "a", "n": 1}, {"order_id": "b", "n": 2}], ("order_id",)),
        ([{"id": 1, "code": "x"}, {"id": 1, "code": "y"}], ("code",)),
        ([{"id": 1}, {"id": None}], None),
        ([{"id": 1.5}, {"id": 2.5}], None),
        ([{"a": 1}, {"a": 2}], None),
    ],
    ids=str,
)
def test_a_unique_field_with_the_name_of_a_key_is_proposed(records: Any, key: Any) -> None:
    assert proposed_key(records) == key


@pytest.mark.parametrize(
    ("skeleton", "place"),
    [
        ({"count": 25, "page": 1}, "count"),
        ({"meta": {"total_count": 25}}, "meta.total_count"),
        ({"total": 3}, None),
        ({"total": True}, None),
        ([], None),
    ],
    ids=str,
)
def test_a_number_that_can_be_the_total_is_found(skeleton: Any, place: Any) -> None:
    assert total_place(skeleton, 10) == place
