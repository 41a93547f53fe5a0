"""An HTTP proxy in front of S3 that injects faults. Without a fault it passes bytes both ways."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

_OWN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding"}


@dataclass
class S3Fault:
    """A fault for the next `times` requests of one method for a key.

    With `503` the proxy answers 503 without a request to S3. With `lost` it sends the request to S3
    and drops the response.
    """

    method: str
    key: str
    times: int
    how: Literal["503", "lost"] = "503"
    struck: int = 0


class S3Proxy(ThreadingHTTPServer):
    """Proxies the S3 at `upstream` on its own loopback port."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = ""
        self.fault: S3Fault | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def strike(self, method: str, path: str) -> str | None:
        """Count a request that the fault applies to, and return the kind of fault."""
        with self._lock:
            fault = self.fault
            if fault is None or method != fault.method or not path.endswith(fault.key):
                return None
            if fault.struck == fault.times:
                return None
            fault.struck += 1
            return fault.how

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors: the tests kill clients and servers on purpose."""


@contextmanager
def running() -> Iterator[S3Proxy]:
    """Serve from a thread while the block runs."""
    with S3Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: S3Proxy

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        how = self.server.strike(self.command, self.path.partition("?")[0])
        if how == "503":
            self._answer(503, [], b"")
            return
        address = urlsplit(self.server.upstream)
        upstream = HTTPConnection(str(address.hostname), address.port, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content, headers = answer.read(), answer.getheaders()
        finally:
            upstream.close()
        if how == "lost":
            self.close_connection = True
            return
        self._answer(answer.status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
            elif name.lower() == "content-length" and self.command == "HEAD":
                length = value  # the length of the body that GET would return
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
