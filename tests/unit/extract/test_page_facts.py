"""What a page says about the list: its total, its next page, its failure."""

from dataclasses import replace
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from scripts.errors import InvalidDataError, ShiftedListError
from scripts.extract.page_facts import PageFacts, check_end, check_success, total_of, with_total
from sources.declaration import Api, single_page
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def page(skeleton: Any = None, rows: int = 10, **headers: str) -> PageFacts:
    named = CaseInsensitiveDict({k.replace("_", "-"): v for k, v in headers.items()})
    return PageFacts(headers=named, skeleton=skeleton, rows=rows, pages=1, all_rows=rows)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x_total_count": "25"}, 25),
        ({"total": " 25 "}, 25),
        ({"content_range": "items 0-9/25"}, 25),
        ({"content_range": "bytes 0-9/25"}, None),
        ({"content_range": "items 0-9/*"}, None),
        ({"x_total_count": "many"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_a_total_is_read_from_the_usual_headers(
    headers: dict[str, str], expected: int | None
) -> None:
    assert total_of(POSTS, page(None, 10, **headers)) == expected


def test_a_declared_total_must_be_there() -> None:
    source = replace(POSTS, total_path="meta.total")
    assert total_of(source, page({"meta": {"total": 25}}, x_total_count="1")) == 25
    assert total_of(source, page({"meta": {"total": "25"}})) == 25
    for wrong in ({}, {"meta": {"total": None}}, {"meta": {"total": "?"}}):
        with pytest.raises(InvalidDataError, match=r"a number at 'meta\.total'"):
            total_of(source, page(wrong))


@pytest.mark.parametrize(
    "last",
    [
        page({"next": None, "has_more": False, "nextPageToken": "", "links": {"next": None}}),
        page({"next_event_at": "2026-01-01", "pageInfo": {"endCursor": "x", "hasNextPage": False}}),
        page({"page": 3, "nextPage": 0, "cursor": "this-one"}),
        page({"next": "/more"}, rows=0),
        page([], link='</p>; rel="last"', x_next_page=""),
    ],
    ids=str,
)
def test_an_end_is_taken_for_one(last: PageFacts) -> None:
    check_end(replace(last, total=last.rows), is_only=False)
    check_end(last, is_only=False)


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (page({"next": "/more"}), "field 'next'"),
        (page({"links": {"next": {"href": "/more"}}}), r"field 'links\.next'"),
        (page({"@odata.nextLink": "/more"}), r"field '@odata\.nextLink'"),
        (page({"nextPageToken": "abc"}), "field 'nextPageToken'"),
        (page({"next_page": 2}), "field 'next_page'"),
        (page({"meta": [{"hasNextPage": True}]}), r"field 'meta\.\*\.hasNextPage'"),
        (page(link='</p>; rel="next"'), "the header Link"),
        (page(x_next_page="2"), "the header X-Next-Page"),
        (page(link="<broken"), "cannot read the header Link"),
    ],
    ids=str,
)
def test_a_page_that_names_another_is_not_the_last(last: PageFacts, says: str) -> None:
    with pytest.raises(InvalidDataError, match=says):
        check_end(last, is_only=False)


@pytest.mark.parametrize("name", ["offset", "cursor", "continuationToken", "scroll_id"])
def test_a_cursor_means_that_one_page_is_not_all(name: str) -> None:
    check_end(page({name: "abc"}), is_only=False)
    with pytest.raises(InvalidDataError, match=f"field '{name}' names a next page"):
        check_end(page({name: "abc"}), is_only=True)


def test_a_total_that_differs_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="has 25 records, but 10 came"):
        check_end(replace(page(), total=25), is_only=False)


def test_a_total_is_held_against_that_of_the_pages_before() -> None:
    assert with_total(POSTS, page(x_total_count="25")).total == 25
    silent = replace(page(), total=25)
    assert with_total(POSTS, silent).total == 25
    with pytest.raises(ShiftedListError, match="changed from 25 to 26"):
        with_total(POSTS, replace(page(x_total_count="26"), total=25))


@pytest.mark.parametrize(
    ("api", "skeleton", "says"),
    [
        ({"error_path": "errors"}, {"errors": [{"message": "no"}]}, r'error: \[{"message":"no"}\]'),
        ({"error_path": "error.text"}, {"error": {"text": "no"}}, "error: no"),
        ({"success_path": "ok"}, {"ok": False, "why": "no"}, '"why":"no"'),
        ({"success_path": "ok"}, {}, "error"),
        ({"success_path": "ok"}, {"ok": "yes"}, "error"),
    ],
    ids=str,
)
def test_an_answer_that_says_it_failed_has_failed(
    api: dict[str, Any], skeleton: Any, says: str
) -> None:
    declared = Api(name="shop", paginator=single_page(), **api)
    with pytest.raises(InvalidDataError, match=says):
        check_success(declared, skeleton)
    check_success(declared, {"ok": True, "errors": [], "error": {"text": ""}})
