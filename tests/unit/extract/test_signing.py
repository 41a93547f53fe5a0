"""Each kind of login is sent as declared. The exchange of tokens is in test_pages_shapes.py."""

from typing import Any

import pytest
import requests

from scripts.extract.signing import signer_of
from scripts.settings import Endpoint
from sources.declaration import Api, api_key, bearer, http_basic, single_page

pytestmark = pytest.mark.unit
SECRET = "s3cr3t"


def signed(auth: Any, login: tuple[str, str] | None = None) -> requests.PreparedRequest:
    api = Api(name="shop", paginator=single_page(), auth=auth)
    endpoint = Endpoint("https://api.example", login=login, secret=SECRET)
    request = requests.Request("GET", "https://api.example/x?a=1").prepare()
    return signer_of(api, endpoint, lambda *_: b"")(request)


@pytest.mark.parametrize(
    ("auth", "login", "name", "value"),
    [
        (bearer(), None, "Authorization", f"Bearer {SECRET}"),
        (api_key("X-Key"), None, "X-Key", SECRET),
        (http_basic(), ("me", "pw"), "Authorization", "Basic bWU6cHc="),
        (None, ("me", "pw"), "Authorization", "Basic bWU6cHc="),
        (None, None, "Authorization", None),
    ],
    ids=str,
)
def test_a_header_carries_the_secret(
    auth: Any, login: tuple[str, str] | None, name: str, value: str | None
) -> None:
    request = signed(auth, login)
    assert request.headers.get(name) == value
    assert SECRET not in str(request.url)


def test_a_query_parameter_carries_it_where_that_is_declared() -> None:
    assert signed(api_key("key", "query")).url == f"https://api.example/x?a=1&key={SECRET}"
