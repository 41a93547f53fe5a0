"""A declaration of a login names places, never a secret."""

from typing import Any

import pytest

from sources.declaration import api_key, oauth2_client_credentials, oauth2_refresh_token
from sources.declaration.declaration_error import DeclarationError

pytestmark = pytest.mark.unit


def test_a_key_is_sent_in_a_header_unless_the_query_is_named() -> None:
    assert api_key("X-Key").location == "header"
    wrong: Any = "cookie"
    with pytest.raises(DeclarationError, match=r"^auth\.location: .*'cookie'"):
        api_key("X-Key", wrong)


@pytest.mark.parametrize("kind", [oauth2_client_credentials, oauth2_refresh_token])
def test_the_place_of_a_token_is_a_url_or_a_path(kind: Any) -> None:
    assert kind("/token").access_token_url == "/token"
    assert kind("https://login.example/token")
    with pytest.raises(DeclarationError, match=r"^auth\.access_token_url: .*'login\.example'"):
        kind("login.example")
