"""A paginator without what it needs is refused when it is declared."""

from collections.abc import Callable

import pytest

from sources.declaration import cursor, json_link, offset, page_number
from sources.declaration.declaration_error import DeclarationError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: cursor(cursor_param="after"), "exactly one of cursor_path and"),
        (lambda: cursor(cursor_path="a", cursor_record_path="b", cursor_param="c"), "exactly one"),
        (lambda: cursor(cursor_path="a"), "exactly one of cursor_param and"),
        (lambda: cursor(cursor_path="a.", cursor_param="c"), r"paginator\.cursor_path"),
        (lambda: json_link("*"), r"paginator\.next_url_path"),
        (lambda: offset(limit=0), r"paginator\.limit"),
        (lambda: offset(limit=1, offset_param=None), "an offset_param or an offset_body_path"),
        (lambda: page_number(page_param=None), "a page_param or a page_body_path"),
        (lambda: page_number(total_pages_path="a..b"), r"paginator\.total_pages_path"),
    ],
)
def test_an_incomplete_paginator_is_refused(declare: Callable[[], object], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        declare()
