"""The name of an API gives everything else, and an API that cannot work is refused."""

from typing import Any

import pytest

from sources.declaration import Api, bearer, header_link
from sources.declaration.declaration_error import DeclarationError

pytestmark = pytest.mark.unit


def test_the_name_gives_the_connection() -> None:
    assert Api(name="shop", paginator=header_link()).connection == "shop_api"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"paginator": None}, "^paginator: expected header_link"),
        ({"paginator": "header_link"}, "^paginator: "),
        ({"paginator": header_link}, "^paginator: .*with its arguments"),
        ({"auth": "token"}, "^auth: expected bearer"),
        ({"auth": bearer}, "^auth: "),
        ({"error_path": "a..b"}, "^error_path: "),
        ({"success_path": "*.ok"}, "^success_path: "),
        ({"schedule": "every monday"}, "^schedule: "),
        ({"requests_per_minute": 0}, "^requests_per_minute: "),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_by_field(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        Api(**{"name": "shop", "paginator": header_link(), **changes})


def test_a_paginator_must_be_declared() -> None:
    incomplete: Any = {"name": "shop"}
    with pytest.raises(TypeError, match="paginator"):
        Api(**incomplete)
