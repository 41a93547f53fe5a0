"""URLs as the client follows and shows them. Invariant: `shown` returns no secret."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import (
    parse_qsl,
    unquote,
    unquote_plus,
    urldefrag,
    urlencode,
    urljoin,
    urlsplit,
    urlunsplit,
)

from scripts.errors import ConfigurationError, InvalidDataError

_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[-\w.~:%+=]{16,}")
_HARMLESS = {"_page", "_limit", "_start", "_end", "page", "per_page", "limit", "offset"}


def list_url(base: str, path: str) -> tuple[str, tuple[str, str] | None]:
    """Return (URL of a list below an API's base URL, login written into the base or None).

    A base that already ends with the list's path is the URL of the list.
    """
    try:
        parts = urlsplit(base.strip())
        is_usable = bool(_origin(base.strip())[1])
    except ValueError:
        is_usable = False
    if not is_usable or parts.scheme not in _PORTS:
        raise ConfigurationError("the API's base URL must look like https://host/path")
    below, _, query = path.partition("?")
    folder = parts.path.rstrip("/")
    full = folder if folder.endswith(below) else folder + below
    queries = "&".join(part for part in (query, parts.query) if part)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    login = (unquote(name), unquote(password)) if user else None
    return urlunsplit((parts.scheme, host, full, queries, "")), login


def params_of(url: str) -> dict[str, str]:
    """Return the query parameters of a URL, of several with one name the last."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def with_params(url: str, params: Mapping[str, str | int]) -> str:
    """Return the URL with these query parameters set. The others keep their bytes."""
    if not params:
        return url
    parts = urlsplit(url)
    kept = [
        pair
        for pair in parts.query.split("&")
        if pair and unquote_plus(pair.partition("=")[0]) not in params
    ]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(params)])))


def followed(url: str, reference: str) -> str:
    """Return where a link or redirect at `url` leads. Raises InvalidDataError for another host.

    An API behind a proxy that ends TLS may write http into its links. They are followed with https.
    """
    try:
        target = _secured(url, urldefrag(urljoin(url, reference)).url)
        is_same = _origin(target) == _origin(url) and "@" not in urlsplit(target).netloc
        where = "{}://{}:{}".format(*_origin(target))
    except ValueError:
        is_same, where = False, "no usable address"
    if not is_same:
        raise InvalidDataError(
            f"it leads to {where}, but our credentials must not leave "
            f"{'{}://{}:{}'.format(*_origin(url))}. If the API has moved, set its base URL to the "
            "new address"
        )
    return target


def _secured(url: str, target: str) -> str:
    """Return an http target with https if it is that of an https URL in all else."""
    ours, theirs = urlsplit(url), urlsplit(target)
    port = _PORTS["https"] if theirs.port in (None, _PORTS["http"]) else theirs.port
    is_ours = (theirs.hostname, port) == (ours.hostname, ours.port or _PORTS["https"])
    if (ours.scheme, theirs.scheme) == ("https", "http") and is_ours and "@" not in theirs.netloc:
        return urlunsplit(theirs._replace(scheme="https", netloc=ours.netloc))
    return target


def shown(url: str) -> str:
    """Return the URL for messages, without what may be secret in it.

    That is its login, the values of unknown parameters, and segments of its path that look like a
    token: long, with letters and digits.
    """
    parts = urlsplit(url)
    path = "/".join("***" if _TOKEN.fullmatch(part) else part for part in parts.path.split("/"))
    query = "&".join(
        f"{name}={value if name in _HARMLESS else '***'}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, query, ""))


def is_readable_on_the_way(url: str) -> bool:
    """Return whether others on the network can read what is sent: no TLS, and not this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return False
    host = parts.hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:  # a name
        return host != "localhost"


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
