"""A request is a value, and changing its query or body makes another one."""

import pytest

from scripts.extract.request import Request, encoded, filled, with_value

pytestmark = pytest.mark.unit
FIRST = Request("POST", "https://api.example/x?a=1", b'{"page":{"size":10}}')


def test_a_value_goes_into_the_query_or_into_the_body() -> None:
    assert with_value(FIRST, "b", None, 2).url == "https://api.example/x?a=1&b=2"
    assert with_value(FIRST, None, "page.after", "z").body == b'{"page":{"size":10,"after":"z"}}'
    assert with_value(Request("POST", "u"), None, "a.b", 1).body == b'{"a":{"b":1}}'
    assert with_value(FIRST, None, None, 1) is FIRST
    assert with_value(FIRST, "a", None, 1) == FIRST


def test_placeholders_are_filled_at_any_depth() -> None:
    body = {"query": "query{orders{id}}", "range": [{"from": "{day}", "size": 5}]}
    expected = {"query": "query{orders{id}}", "range": [{"from": "2026-01-31", "size": 5}]}
    assert filled(body, lambda text: text.replace("{day}", "2026-01-31")) == expected
    assert (encoded({"a": 1}), encoded(None)) == (b'{"a":1}', None)
