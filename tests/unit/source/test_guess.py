"""What a first page suggests, in the order of its strength."""

from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from scripts.extract.page_facts import PageFacts
from scripts.source.guess import proposals, written
from sources.declaration import api_key, bearer, cursor, header_link, json_link, page_number

pytestmark = pytest.mark.unit


def first(skeleton: Any, **headers: str) -> Any:
    named = CaseInsensitiveDict({k.replace("_", "-"): v for k, v in headers.items()})
    return next(iter(proposals(PageFacts(headers=named, skeleton=skeleton, rows=10))))


@pytest.mark.parametrize(
    ("skeleton", "headers", "expected"),
    [
        ({"next": "/x"}, {"link": '</x>; rel="next"'}, header_link()),
        ({"links": {"next": "https://api.example/x"}}, {}, json_link("links.next")),
        (
            {"next_page_token": "t"},
            {},
            cursor(cursor_path="next_page_token", cursor_param="page_token"),
        ),
        (
            {"next_cursor": "t", "has_more": True},
            {},
            cursor(cursor_path="next_cursor", cursor_param="cursor", has_more_path="has_more"),
        ),
        ({"next": None, "offset": ""}, {}, page_number()),
        ([], {}, page_number()),
    ],
    ids=str,
)
def test_the_strongest_sign_comes_first(
    skeleton: Any, headers: dict[str, str], expected: Any
) -> None:
    assert first(skeleton, **headers) == expected


def test_a_word_is_written_as_it_is_declared() -> None:
    assert written(header_link()) == "header_link()"
    assert written(json_link(("a.b",))) == 'json_link(next_url_path=("a.b",))'
    assert written(api_key("X-Key")) == 'api_key(name="X-Key")'
    assert written(bearer()) == "bearer()"
