"""The faults of a stand-in server, as values. Invariant: without switches no byte changes."""

import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

JSON = "application/json; charset=utf-8"
_ENDLESS = b'{"userId": 1, "id": 1, "title": "again", "body": "and\\nagain"},\n' * 1000


class Switches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The faults. Each one is off by default, and they can be combined.

    Attributes:
        skip: number of requests that pass before faults are injected.
        times: number of requests with faults after that, or None for all.
        status: HTTP status to answer, with `body` or ``{}``.
        retry_after: value of the header Retry-After, sent unchanged.
        headers: additional headers, which override those of the answer.
        delay: seconds before the answer.
        drip: seconds before each 64 bytes of the body.
        cut: send this many bytes of the body, then close the connection.
        framing: how the end of the body is marked. The default is length, or chunked for streams.
        content_length: value of the header Content-Length, right or wrong.
        body: literal body to send.
        endless: send records without end.
        drop: close the connection without an answer.
        gzip: compress the body.
    """

    skip: int = 0
    times: int | None = None
    status: int | None = None
    retry_after: str | int | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    delay: float = 0
    drip: float = 0
    cut: int | None = None
    framing: Literal["length", "chunked", "close"] | None = None
    content_length: int | None = None
    body: str | None = None
    endless: bool = False
    drop: bool = False
    gzip: bool = False

    @property
    def replaces(self) -> bool:
        """Whether the faults replace the app's answer, so that it is not generated."""
        return self.status is not None or self.body is not None or self.endless


@dataclass(frozen=True)
class Request:
    """A client's request. `at` is a Unix timestamp."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Answer:
    """The server's answer. A body of bytes is sent with its length, an iterable is streamed."""

    body: bytes | Iterable[bytes] = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


def altered(answer: Answer, faults: Switches) -> Answer:
    """Return the answer with the faults applied."""
    headers = {**answer.headers, **faults.headers}
    if faults.retry_after is not None:
        headers["Retry-After"] = str(faults.retry_after)
    body = answer.body
    if faults.body is not None:
        body = faults.body.encode()
    elif faults.endless:
        body = itertools.chain((b"[\n",), itertools.repeat(_ENDLESS))
    if faults.gzip:
        headers["Content-Encoding"] = "gzip"
        body = _gzipped([body] if isinstance(body, bytes) else body)
    return Answer(body, faults.status or answer.status, headers)


def cut(blocks: Iterable[bytes], at: int | None) -> Iterator[bytes]:
    """Yield the blocks up to byte `at`. None yields all blocks."""
    remaining = at
    for block in blocks:
        if remaining is None:
            yield block
            continue
        yield block[:remaining]
        remaining -= len(block)
        if remaining <= 0:
            return


def _gzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()
