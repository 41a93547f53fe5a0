"""HTTP GET with retries, a total deadline and an SSRF guard. Invariant: no error names a secret.

The deadline is checked before each request and after each block of a body. A server that sends its
*headers* one byte at a time passes it: in Airflow the task's ``execution_timeout`` ends that.

The guard: a user who may set the API's address could otherwise make the pipeline fetch what only
this machine or its network can reach, such as a cloud's credentials. The address that was really
connected to is checked, not the name, because a name can resolve to another address a moment later.

Errors raised here do not name the URL. The caller adds it.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import IncompleteRead, RemoteDisconnected
from ipaddress import IPv6Address, ip_address
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util.retry import Retry

from scripts.errors import ConfigurationError, InvalidDataError, UnavailableError
from scripts.extract.urls import followed
from scripts.settings import RunSettings

_BLOCK_BYTES = 1 << 16
_MAX_REDIRECTS = 5
_MAX_BACKOFF = 60.0
_TRANSIENT_STATUS = {408, 425, 429}  # and every 5xx
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "elt-pipeline"}


class TransientError(UnavailableError):
    """A fault that may pass. `pause` is the wait in seconds that the server asks for."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


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


@dataclass
class Client:
    """The session of one extraction, its deadline over all pages and its count of bytes."""

    settings: RunSettings
    headers: Mapping[str, str] = field(repr=False)
    login: tuple[str, str] | None = field(repr=False)
    is_private_allowed: bool
    received: int = 0  # bytes of the pages read so far
    _deadline: float = 0
    _session: _Session = field(default_factory=_Session)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the clock and prepare the session. Close it at the end of the block."""
        self._deadline = time.monotonic() + self.settings.total_timeout
        self._session.headers.update({**_HEADERS, **self.headers})
        # Not None: without a login, requests would take one from the user's .netrc.
        self._session.auth = self.login or (lambda request: request)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(is_private_allowed=self.is_private_allowed))
        with self._session:
            yield

    def retrying(self) -> Retrying:
        """Return the retry policy: Retry-After, else backoff, never past the deadline."""
        return Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=self._pause,
            stop=lambda state: (
                state.attempt_number > self.settings.http_retries
                or state.upcoming_sleep >= self._left()
            ),
            reraise=True,
        )

    @contextmanager
    def open(self, url: str) -> Iterator[tuple[str, requests.Response]]:
        """Yield (final URL, answer with status 200). Its body is not read yet."""
        for _ in range(_MAX_REDIRECTS + 1):
            with self._get(url) as response:
                if not response.is_redirect:
                    _check_status(response)
                    yield url, response
                    return
                url = followed(url, response.headers["Location"])
        raise InvalidDataError(f"expected at most {_MAX_REDIRECTS} redirects")

    def read(self, response: requests.Response, position: int) -> bytes:
        """Return the next decoded bytes at `position`, empty at the end of the body."""
        try:
            # read1: a read of a whole block from a slow server would wait long past the deadline.
            block: bytes = response.raw.read1(_BLOCK_BYTES, decode_content=True)
        except (HTTPError, OSError) as error:
            raise self._broken(error, f" at byte {position}") from None
        self._check_deadline(f" at byte {position}")
        if self.received + position + len(block) > self.settings.max_bytes:
            raise InvalidDataError(
                f"expected at most {self.settings.max_bytes} bytes over all pages, "
                f"got more at byte {position + len(block)} of this page. Raise max_bytes if the "
                "list is that large"
            )
        return block

    def _get(self, url: str) -> requests.Response:
        left = self._left()
        self._check_deadline("")
        timeout = (
            min(self.settings.connect_timeout, left),
            min(self.settings.read_timeout, left),
        )
        try:
            return self._session.get(url, stream=True, timeout=timeout)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._broken(error, "") from None

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _check_deadline(self, where: str) -> None:
        if self._left() <= 0:
            limit = self.settings.total_timeout
            raise UnavailableError(
                f"expected the whole list within {limit:g} s (total_timeout), it did not end{where}"
            )

    def _broken(self, error: Exception, where: str) -> TransientError:
        """Return the fault in our words: the library's messages repeat the URL with its query."""
        self._check_deadline(where)
        return TransientError(_reason(error, self.settings) + where)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and error.pause is not None:
            return error.pause
        return float(
            min(self.settings.http_backoff * 2 ** (state.attempt_number - 1), _MAX_BACKOFF)
        )


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in _TRANSIENT_STATUS or status >= 500:
        pause = None
        with suppress(InvalidHeader, KeyError):
            pause = Retry().parse_retry_after(response.headers["Retry-After"])
        asked = "" if pause is None else f" with Retry-After {pause:g} s"
        raise TransientError(f"expected status 200, got {status}{asked}", pause)
    if status != 200:
        hint = ". Check the API's credentials" if status in {401, 403} else ""
        raise InvalidDataError(f"expected status 200, got {status}{hint}")


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


def guarded(connection_class: type[Any]) -> type[Any]:
    """Return a connection class that closes connections to private addresses before sending."""

    class Guarded(connection_class):  # type: ignore[misc]  # known at run time only
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            address = sock.getpeername()[0]
            if not is_public(address):
                sock.close()
                raise ConfigurationError(
                    f"its host is {address}, which is not a public address. If that is intended, "
                    "set PIPELINE_ALLOW_PRIVATE_API=true in the environment"
                )
            return sock

    return Guarded


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet."""
    ip = ip_address(address.partition("%")[0])  # without the zone of a link-local one
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast
