"""HTTP with retries, a total deadline and an SSRF guard. Invariant: no error names a secret.

The deadline is checked before each request and after each block of a body. A server that sends its
*headers* one byte at a time passes it: in Airflow the task's ``execution_timeout`` ends that.

The guard: a user who may set the API's address could otherwise make the pipeline fetch what only
this machine or its network can reach, such as a cloud's credentials. `guarded` connects to public
addresses only.

Errors raised here do not name the URL. The caller adds it.
"""

import logging
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
)

from scripts.errors import ConfigurationError, InvalidDataError, UnavailableError
from scripts.extract.budget import Budget
from scripts.extract.limits import is_limited, stated_limit
from scripts.extract.public_address import guarded
from scripts.extract.request import Request
from scripts.extract.signing import Login, signer_of
from scripts.extract.urls import followed, is_readable_on_the_way
from scripts.settings import Endpoint, RunSettings, ca_bundle_from_env
from sources import Source

_BLOCK_BYTES = 1 << 16
_MAX_REDIRECTS = 5
_MAX_BACKOFF = 60.0
_TRANSIENT_STATUS = {408, 425}  # and every 5xx
_KEEPS_METHOD = {307, 308}
_MAX_TOKEN_BYTES = 1 << 16
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "elt-pipeline"}
_log = logging.getLogger(__name__)


class TransientError(UnavailableError):
    """A fault that may pass. `pause` is the wait in seconds that the server asks for."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class NotFoundError(InvalidDataError):
    """The API answers 404."""


class _Session(requests.Session):
    """Follows no redirect itself: requests would read its whole body, whatever the size."""

    def get_redirect_target(self, _resp: requests.Response) -> None:
        return None


class _Adapter(HTTPAdapter):
    """Opens connections through the guard unless private addresses are allowed."""

    def __init__(self, *, is_private_allowed: bool) -> None:
        super().__init__(max_retries=0)
        self._is_private_allowed = is_private_allowed

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not self._is_private_allowed and "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = guarded(pool.ConnectionCls)
        return pool


class Client:
    """One session with an API. Only one thread uses it, and several of them share a budget."""

    def __init__(
        self, settings: RunSettings, source: Source, endpoint: Endpoint, budget: Budget
    ) -> None:
        self.settings = settings
        self.budget = budget
        self._waits = 0
        self._api = api = source.api
        if (endpoint.login or endpoint.secret) and is_readable_on_the_way(endpoint.url):
            _log.warning("connection %s sends its secrets without encryption", api.connection)
        self._signer = signer_of(api, endpoint, self._post_form)
        self._session = _Session()
        accepts = {} if source.format == "json" else {"Accept": "*/*"}
        self._session.headers.update({**_HEADERS, **accepts, **api.headers, **endpoint.headers})
        # Never None: then requests would take a login from the user's .netrc.
        self._session.auth = self._signer
        for scheme in ("http://", "https://"):
            adapter = _Adapter(is_private_allowed=endpoint.is_private_allowed)
            self._session.mount(scheme, adapter)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def retrying(self) -> Retrying:
        """Return the retry policy: the wait that the API asks for, else backoff.

        It never waits past the deadline. A wait that the API asks for is not counted as a try.
        """
        self._waits = 0
        return Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._pause,
            stop=self._is_over,
            sleep=self.budget.sleep,
            reraise=True,
        )

    @contextmanager
    def open(
        self, request: Request, empty_statuses: Collection[int] = ()
    ) -> Iterator[tuple[str, requests.Response]]:
        """Yield (final URL, answer), with status 200 or one that means an empty list.

        Its body is not read yet.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            with self._send(request) as response:
                if not response.is_redirect:
                    if response.status_code not in empty_statuses:
                        self._check_status(response)
                    _check_encoding(response)
                    yield request.url, response
                    return
                request = _redirected(request, response)
        raise InvalidDataError(f"expected at most {_MAX_REDIRECTS} redirects")

    def read(self, response: requests.Response, position: int) -> bytes:
        """Return the next decoded bytes at `position`, empty at the end of the body."""
        try:
            # read1: a read of a whole block from a slow server would wait long past the deadline.
            block: bytes = response.raw.read1(_BLOCK_BYTES, decode_content=True)
        except DecodeError as error:
            if not position:
                raise InvalidDataError(
                    "the header Content-Encoding says that the answer is compressed, but it is not"
                ) from None
            raise self._broken(error, f" at byte {position}") from None
        except (HTTPError, OSError) as error:
            raise self._broken(error, f" at byte {position}") from None
        self.budget.check(f" at byte {position}")
        if self.budget.count(len(block)) > self.settings.max_bytes:
            raise InvalidDataError(
                f"expected at most {self.settings.max_bytes} bytes over all pages, "
                f"got more at byte {position + len(block)} of this page. Raise max_bytes if the "
                "list is that large"
            )
        return block

    def _send(self, request: Request) -> requests.Response:
        self.budget.keep_pace()
        headers = {"Content-Type": "application/json"} if request.body is not None else {}
        return self._request(request.method, request.url, request.body, headers, self._signer)

    def _request(
        self, method: str, url: str, body: Any, headers: Any, auth: Any
    ) -> requests.Response:
        left = self.budget.left()
        self.budget.check("")
        timeout = (
            min(self.settings.connect_timeout, left),
            min(self.settings.read_timeout, left),
        )
        try:
            return self._session.request(
                method, url, data=body, headers=headers, auth=auth, stream=True, timeout=timeout
            )
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            if words := _never_sent(error):
                raise ConfigurationError(words) from None
            raise self._broken(error, "") from None

    def _post_form(self, url: str, form: str, login: Login) -> bytes:
        """Post a form for a token, and return the answer, which may be an error of OAuth."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = HTTPBasicAuth(*login) if login else _unsigned
        with self._request("POST", url, form, headers, auth) as response:
            if response.status_code not in {200, 400, 401}:
                self._check_status(response)
            try:
                return bytes(response.raw.read(_MAX_TOKEN_BYTES, decode_content=True))
            except (HTTPError, OSError) as error:
                raise self._broken(error, " in the answer with the token") from None

    def _broken(self, error: Exception, where: str) -> TransientError:
        """Return the fault in our words: the library's messages repeat the URL with its query."""
        self.budget.check(where)
        return TransientError(_reason(error, self.settings) + where)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and error.pause:
            return error.pause
        tries = state.attempt_number - self._waits
        return float(min(self.settings.http_backoff * 2 ** max(0, tries - 1), _MAX_BACKOFF))

    def _is_over(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and error.pause:
            self._waits += 1
        tries = state.attempt_number - self._waits
        return tries > self.settings.http_retries or state.upcoming_sleep >= self.budget.left()

    def _check_status(self, response: requests.Response) -> None:
        status, headers = response.status_code, response.headers
        if status == 401 and self._signer.renew():
            raise TransientError("the token has expired")
        if is_limited(status, headers):
            pause, text = stated_limit(headers, self._api.reset_header)
            raise TransientError(f"expected status 200, got {status}{text}", pause)
        if status in _TRANSIENT_STATUS or status >= 500:
            pause, text = stated_limit(headers, "")
            raise TransientError(f"expected status 200, got {status}{text}", pause)
        if status != 200:
            hint = ". Check the API's credentials" if status in {401, 403} else ""
            kind = NotFoundError if status == 404 else InvalidDataError
            raise kind(f"expected status 200, got {status}{hint}")


def _check_encoding(response: requests.Response) -> None:
    """Raise InvalidDataError for a compression that was not asked for and cannot be undone."""
    named = response.headers.get("Content-Encoding", "").lower()
    known = {"", "identity", *response.raw.CONTENT_DECODERS}
    unknown = [part for part in (name.strip() for name in named.split(",")) if part not in known]
    if unknown:
        raise InvalidDataError(f"the answer is compressed with {unknown[0]}, we asked for gzip")


def is_framed(response: requests.Response) -> bool:
    """Return whether HTTP itself says where the body ends."""
    encoding = response.headers.get("Transfer-Encoding", "").lower()
    return "Content-Length" in response.headers or "chunked" in encoding


def _redirected(request: Request, response: requests.Response) -> Request:
    if request.method != "GET" and response.status_code not in _KEEPS_METHOD:
        raise InvalidDataError(f"a {request.method} is redirected with {response.status_code}")
    return replace(request, url=followed(request.url, response.headers["Location"]))


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _never_sent(error: Exception) -> str | None:
    """Return why no request can be sent with these settings, or None if the next one may be."""
    match error:
        case requests.exceptions.InvalidHeader() | UnicodeError():
            return "a header or secret has a line break or a character that HTTP does not allow"
        case requests.exceptions.InvalidURL() | LocationParseError():
            return "its host name is not valid"
    bundle = ca_bundle_from_env()
    if bundle and ((error.args and "CA certificate bundle" in str(error)) or _is_no_bundle(error)):
        return f"the CA bundle {bundle} (REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE) cannot be read"
    return None


def _is_no_bundle(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError) and error.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: BaseException | None, settings: RunSettings) -> str:
    """Return the first known cause, else the innermost system error."""
    known, cause = type(error).__name__, error
    while cause is not None:
        if words := _words(cause, settings):
            return words
        if isinstance(cause, OSError) and isinstance(cause.strerror, str):
            known = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return known


def _words(cause: BaseException, settings: RunSettings) -> str | None:
    words = None
    match cause:
        case NewConnectionError():  # a subclass of ConnectTimeoutError, whatever its cause
            pass
        case ConnectTimeoutError():
            words = f"no connection within {settings.connect_timeout:g} s"
        case ReadTimeoutError() | TimeoutError():
            words = f"no byte for {settings.read_timeout:g} s"
        case IncompleteRead():
            words = "the answer broke off"
        case RemoteDisconnected():
            words = "the connection was closed without an answer"
        case ssl.SSLCertVerificationError():
            words = f"the certificate is not trusted: {cause.verify_message}"
    return words
