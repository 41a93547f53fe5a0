"""How requests carry the secrets of an API's connection. Invariant: no error repeats a secret."""

from collections.abc import Callable
from urllib.parse import urlsplit

import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error, WebApplicationClient
from requests.auth import HTTPBasicAuth

from scripts.errors import ConfigurationError
from scripts.extract.urls import with_params
from scripts.settings import Endpoint
from sources.declaration import Api
from sources.declaration import auth as kinds

Prepared = requests.PreparedRequest
Login = tuple[str, str] | None
PostForm = Callable[[str, str, Login], bytes]  # (URL, form, login) → answer
OAuth2Kind = kinds.oauth2_client_credentials | kinds.oauth2_refresh_token


class Signer:
    """Adds to a request what proves who we are: here the login of the connection, if it has one."""

    def __init__(self, api: Api, endpoint: Endpoint) -> None:
        self._connection = api.connection
        self._endpoint = endpoint

    def __call__(self, request: Prepared) -> Prepared:
        """Sign a request. Raises ConfigurationError if the connection lacks a secret."""
        login = self._endpoint.login
        return _basic(request, login) if login else request

    def renew(self) -> bool:
        """Forget a token that worked before. Return whether a new one may help."""
        return False

    def _secret(self) -> str:
        if not self._endpoint.secret:
            raise ConfigurationError(
                f"connection {self._connection} has no password: set it to the secret of the API"
            )
        return self._endpoint.secret

    def _login(self) -> tuple[str, str]:
        if not self._endpoint.login:
            raise ConfigurationError(f"connection {self._connection} has no login: set it")
        return self._endpoint.login


class _Basic(Signer):
    def __call__(self, request: Prepared) -> Prepared:
        return _basic(request, self._login())


class _Bearer(Signer):
    def __call__(self, request: Prepared) -> Prepared:
        request.headers["Authorization"] = f"Bearer {self._secret()}"
        return request


class _ApiKey(Signer):
    def __init__(self, api: Api, endpoint: Endpoint, kind: kinds.api_key) -> None:
        super().__init__(api, endpoint)
        self._kind = kind

    def __call__(self, request: Prepared) -> Prepared:
        if self._kind.location == "header":
            request.headers[self._kind.name] = self._secret()
        else:
            request.url = with_params(request.url or "", {self._kind.name: self._secret()})
        return request


class _OAuth2(Signer):
    """Asks for a token when it has none. The client asks it to `renew` one that has expired."""

    def __init__(self, api: Api, endpoint: Endpoint, kind: OAuth2Kind, post: PostForm) -> None:
        super().__init__(api, endpoint)
        self._kind = kind
        self._post = post
        self._token = ""
        self._uses = 0

    def __call__(self, request: Prepared) -> Prepared:
        self._token = self._token or self._new_token()
        self._uses += 1
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def renew(self) -> bool:
        was_accepted, self._token, self._uses = self._uses > 1, "", 0
        return was_accepted

    def _new_token(self) -> str:
        url = self._kind.access_token_url
        if not urlsplit(url).scheme:
            url = self._endpoint.url.rstrip("/") + url
        login = None if self._kind.is_secret_in_body else self._login()
        try:
            answer = self._post(url, self._form(), login)
            token = BackendApplicationClient("").parse_request_body_response(answer.decode())
            return str(token["access_token"])
        except (OAuth2Error, ValueError) as error:
            reason = error.error if isinstance(error, OAuth2Error) else "the answer is not JSON"
            raise ConfigurationError(
                f"no token from {self._kind.access_token_url}: {reason}. "
                f"Check login and password of connection {self._connection}"
            ) from None

    def _form(self) -> str:
        user, secret = self._login()
        data = dict(self._kind.access_token_request_data)
        if self._kind.is_secret_in_body:
            data |= {"client_id": user, "client_secret": secret}
        scope = list(self._kind.scopes) or None
        if isinstance(self._kind, kinds.oauth2_client_credentials):
            client = BackendApplicationClient(user)
            return str(client.prepare_request_body(scope=scope, include_client_id=False, **data))
        token = self._endpoint.refresh_token
        if not token:
            raise ConfigurationError(
                f"connection {self._connection} has no refresh_token in its extra: add it"
            )
        return str(WebApplicationClient(user).prepare_refresh_body("", token, scope, **data))


def _basic(request: Prepared, login: tuple[str, str]) -> Prepared:
    HTTPBasicAuth(*(part.encode() for part in login))(request)  # RFC 7617: UTF-8
    return request


def signer_of(api: Api, endpoint: Endpoint, post: PostForm) -> Signer:
    """Return what signs the requests of an API. `post` sends a form, for a token."""
    match api.auth:
        case kinds.bearer():
            return _Bearer(api, endpoint)
        case kinds.http_basic():
            return _Basic(api, endpoint)
        case kinds.api_key() as kind:
            return _ApiKey(api, endpoint, kind)
        case kinds.oauth2_client_credentials() | kinds.oauth2_refresh_token() as kind:
            return _OAuth2(api, endpoint, kind, post)
    return Signer(api, endpoint)
