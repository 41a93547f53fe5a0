"""How an API knows us. Invariant: a declaration names no secret, the API's connection holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sources.declaration.declaration_error import DeclarationError


@dataclass(frozen=True)
class bearer:
    """``Authorization: Bearer <token>``. The token is the password of the connection."""


@dataclass(frozen=True)
class api_key:
    """A header or query parameter with a key, which is the password of the connection.

    Attributes:
        name: the name of the header or parameter, such as ``X-API-Key``.
        location: where the key is sent. A header is safer: URLs are written to logs.
    """

    name: str
    location: Literal["header", "query"] = "header"

    def __post_init__(self) -> None:
        if self.location not in ("header", "query"):
            raise DeclarationError("auth.location", f"expected header or query: {self.location!r}")


@dataclass(frozen=True)
class http_basic:
    """HTTP Basic with login and password of the connection."""


@dataclass(frozen=True)
class oauth2_client_credentials:
    """OAuth 2 with the connection's login as client id and its password as client secret.

    Attributes:
        access_token_url: the URL of the token, or its path below the API's base URL.
        scopes: the scopes to ask for.
        access_token_request_data: further fields of the token request, such as an audience.
        is_secret_in_body: whether id and secret go into the body, instead of HTTP Basic.
    """

    access_token_url: str
    scopes: tuple[str, ...] = ()
    access_token_request_data: Mapping[str, str] = field(default_factory=dict)
    is_secret_in_body: bool = True

    def __post_init__(self) -> None:
        _check_token_url(self.access_token_url)


@dataclass(frozen=True)
class oauth2_refresh_token:
    """OAuth 2 with a refresh token, which is ``refresh_token`` in the connection's extra.

    The client's id and secret are login and password of the connection, as above.
    """

    access_token_url: str
    scopes: tuple[str, ...] = ()
    access_token_request_data: Mapping[str, str] = field(default_factory=dict)
    is_secret_in_body: bool = True

    def __post_init__(self) -> None:
        _check_token_url(self.access_token_url)


Auth = bearer | api_key | http_basic | oauth2_client_credentials | oauth2_refresh_token


def _check_token_url(url: str) -> None:
    if not url.startswith(("/", "https://", "http://")):
        raise DeclarationError("auth.access_token_url", f"expected a URL or a /path, got {url!r}")
