"""An HTTP server that can fail on demand. Invariant: it fails only as its switches say.

``PUT /_switches`` sets all switches (a JSON object), GET shows what remains of them, and DELETE
resets them. ``GET /_requests`` lists the requests, so that a test can prove that a fault was
injected. Only loopback clients can use these paths.
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
    """Serves `app` at an address, unless its switches make it fail.

    Args:
        address: host and port. Port 0 selects a free port.
        app: returns the answer to a request. It gets the switches even if no fault is injected.
        switch_type: type of the supported switches.
        views: functions that return the content of further ``/_...`` paths.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        app: Callable[[Request, S], Answer],
        switch_type: type[S],
        views: dict[str, Callable[[], Any]] | None = None,
    ) -> None:
        super().__init__(address, _Handler)
        self.app = app
        self.switch_type = switch_type
        self.switches = switch_type()
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self.views: dict[str, Callable[[], Any]] = {
            "/_switches": lambda: self.switches,
            "/_requests": self._recorded,
            **(views or {}),
        }

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def take_faults(self, request: Request) -> Switches:
        """Record the request and return the faults to inject into its answer."""
        with self._lock:
            self.requests.append(request)
            current = self.switches
            if current.skip:
                self.switches = msgspec.structs.replace(current, skip=current.skip - 1)
            elif current.times:
                self.switches = msgspec.structs.replace(current, times=current.times - 1)
            return Switches() if current.skip or current.times == 0 else current

    def control(self, request: Request) -> Answer:
        """Answer a ``/_...`` request."""
        if request.path == "/_switches" and request.method in {"PUT", "DELETE"}:
            try:
                self.switches = msgspec.json.decode(request.body or b"{}", type=self.switch_type)
            except msgspec.MsgspecError as error:
                return Answer(f"{error}\n".encode(), 400, {"Content-Type": "text/plain"})
        if request.path not in self.views:
            return Answer(status=404)
        return Answer(msgspec.json.encode(self.views[request.path]()) + b"\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error of the server, but not a client that disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _recorded(self) -> list[Request]:
        with self._lock:
            return [replace(r, body=b"") for r in self.requests]


@contextmanager
def running(server: SwitchableServer[S]) -> Iterator[SwitchableServer[S]]:
    """Serve from a thread while the block runs."""
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
            is_local = ipaddress.ip_address(self.client_address[0]).is_loopback
            self._send(self.server.control(request) if is_local else Answer(status=403), Switches())
            return
        faults = self.server.take_faults(request)
        if faults.drop:
            self.close_connection = True
            return
        self.server.stopping.wait(faults.delay)
        answer = Answer() if faults.replaces else self.server.app(request, self.server.switches)
        self._send(altered(answer, faults), faults)

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
        """Log nothing, because `/_requests` lists every request."""
