"""An HTTP server that can be told to fail. Invariant: it fails only as its switches say.

``PUT /_switches`` (a JSON object, the whole set) sets them, GET shows what is left of them, DELETE
resets them; ``GET /_requests`` tells what was asked, so that a test can prove that a fault struck.
These are for loopback clients only.
"""

import ipaddress
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from local.switches import Answer, Request, Switches, altered, cut

_BLOCK_BYTES = 1 << 16
_DRIP_BYTES = 64
_KEPT_REQUESTS = 10_000

S = TypeVar("S", bound=Switches)


class SwitchableServer(ThreadingHTTPServer, Generic[S]):
    """Serves `app` on an address, except where its switches make it fail.

    Args:
        address: host and port; port 0 takes a free one.
        app: makes the answer of a request; is given the switches that are set, struck or not.
        switch_type: the switches it understands.
        shows: what further ``/_...`` paths show, as functions without arguments.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        app: Callable[[Request, S], Answer],
        switch_type: type[S],
        shows: dict[str, Callable[[], Any]] | None = None,
    ) -> None:
        super().__init__(address, _Handler)
        self.app = app
        self.switch_type = switch_type
        self.switches = switch_type()
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self.shows: dict[str, Callable[[], Any]] = {
            "/_switches": lambda: self.switches,
            "/_requests": self._seen,
            **(shows or {}),
        }

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def strike(self, request: Request) -> Switches:
        """Note the request and return the faults that strike it."""
        with self._lock:
            self.requests.append(request)
            now = self.switches
            if now.skip:
                self.switches = msgspec.structs.replace(now, skip=now.skip - 1)
            elif now.times:
                self.switches = msgspec.structs.replace(now, times=now.times - 1)
            return Switches() if now.skip or now.times == 0 else now

    def control(self, request: Request) -> Answer:
        """Answer a ``/_...`` request."""
        if request.path == "/_switches" and request.method in {"PUT", "DELETE"}:
            try:
                self.switches = msgspec.json.decode(request.body or b"{}", type=self.switch_type)
            except msgspec.MsgspecError as error:
                return Answer(f"{error}\n".encode(), 400, {"Content-Type": "text/plain"})
        if request.path not in self.shows:
            return Answer(status=404)
        return Answer(msgspec.json.encode(self.shows[request.path]()) + b"\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a fault of the server; a client that hung up is none."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _seen(self) -> list[Request]:
        with self._lock:
            return [replace(r, body=b"") for r in self.requests]


@contextmanager
def running(server: SwitchableServer[S]) -> Iterator[SwitchableServer[S]]:
    """Serve from a thread for the length of a block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = _BLOCK_BYTES
    disable_nagle_algorithm = True
    server: SwitchableServer[Any]

    def _serve(self) -> None:
        request = self._request()
        if request.path.startswith("/_"):
            is_near = ipaddress.ip_address(self.client_address[0]).is_loopback
            self._send(self.server.control(request) if is_near else Answer(status=403), Switches())
            return
        faults = self.server.strike(request)
        if faults.drop:
            self.close_connection = True
            return
        self.server.stopping.wait(faults.delay)
        own = Answer() if faults.replaces else self.server.app(request, self.server.switches)
        self._send(altered(own, faults), faults)

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _request(self) -> Request:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, url.path, query, headers, self.rfile.read(length), time.time())

    def _send(self, answer: Answer, faults: Switches) -> None:
        body = answer.body
        if faults.framing == "length" and not isinstance(body, bytes):
            body = b"".join(body)
        framing = faults.framing or ("length" if isinstance(body, bytes) else "chunked")
        if faults.content_length is not None:
            framing = "length"
        self.close_connection = framing == "close" or faults.cut is not None
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if framing == "length":
            length = len(body) if isinstance(body, bytes) else 0
            claimed = length if faults.content_length is None else faults.content_length
            self.send_header("Content-Length", str(claimed))
        elif framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        blocks = cut([body] if isinstance(body, bytes) else body, faults.cut)
        self._write(blocks, faults, is_chunked=framing == "chunked")

    def _write(self, blocks: Iterable[bytes], faults: Switches, *, is_chunked: bool) -> None:
        size = _DRIP_BYTES if faults.drip else _BLOCK_BYTES
        for block in blocks:
            for start in range(0, len(block), size):
                piece = block[start : start + size]
                if faults.drip:
                    self.wfile.flush()
                    if self.server.stopping.wait(faults.drip):
                        raise ConnectionAbortedError
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked and faults.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def log_message(self, _format: str, *_: Any) -> None:
        """Say nothing: `/_requests` tells."""
