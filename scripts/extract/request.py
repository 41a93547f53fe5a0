"""One request of a page, as a value: it can be compared, and changed for the next page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from scripts.extract.urls import with_params
from sources.declaration.paths import Path, parts_of


@dataclass(frozen=True)
class Request:
    """One request of a page. `body` is JSON."""

    method: str
    url: str
    body: bytes | None = None


def with_value(
    request: Request, param: str | None, body_path: Path | None, value: str | int
) -> Request:
    """Return a request with a value in its query or, if a path is given, in its JSON body."""
    if body_path is not None:
        body = msgspec.json.decode(request.body or b"{}")
        *above, last = parts_of(body_path)
        inner = body
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = value
        return replace(request, body=encoded(body))
    if param is not None:
        return replace(request, url=with_params(request.url, {param: value}))
    return request


def filled(value: Any, fill: Callable[[str], Any]) -> Any:
    """Return a value in which each text is replaced by what `fill` makes of it."""
    if isinstance(value, Mapping):
        return {name: filled(inner, fill) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner, fill) for inner in value]
    return fill(value) if isinstance(value, str) else value


def encoded(body: Any) -> bytes | None:
    """Return a JSON body, or None for no body."""
    return None if body is None else msgspec.json.encode(body)
