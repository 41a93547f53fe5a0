"""The message begins with the field."""

import pytest

from sources.declaration.declaration_error import DeclarationError

pytestmark = pytest.mark.unit


def test_the_message_begins_with_the_field() -> None:
    assert str(DeclarationError("key", "expected a tuple")) == "key: expected a tuple"
