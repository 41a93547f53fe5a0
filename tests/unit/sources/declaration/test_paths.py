"""Paths are dotted names, or tuples where a name has a dot."""

import pytest

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paths import Path, check_path, parts_of, shown_path

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("path", "parts", "shown"),
    [
        ("", (), "the top level"),
        ("data.orders", ("data", "orders"), "'data.orders'"),
        ("0.*", ("0", "*"), "'0.*'"),
        (("@odata.nextLink",), ("@odata.nextLink",), "'@odata.nextLink'"),
    ],
)
def test_a_path_has_parts(path: Path, parts: tuple[str, ...], shown: str) -> None:
    assert (parts_of(path), shown_path(path)) == (parts, shown)
    check_path("field", path, takes_star=True)


@pytest.mark.parametrize("path", [".", "a.", ".a", "a..b", ("a", "")])
def test_an_empty_part_is_refused(path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"^field: expected names"):
        check_path("field", path)
