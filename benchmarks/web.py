"""A folder over HTTP: API and S3 in one. Invariant: it only sends files with sendfile.

``GET`` and ``HEAD`` of ``/<bucket>/<key>`` answer as S3 does for a path-style request.
"""

import sys
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers with the file at the request path."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *args: Any) -> None:
        self.folder = folder
        super().__init__(*args)

    def do_HEAD(self) -> None:
        """Describe a file."""
        self._head()

    def do_GET(self) -> None:
        """Send a file."""
        if path := self._head():
            with path.open("rb") as file, suppress(ConnectionError):
                self.wfile.flush()
                self.connection.sendfile(file)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _head(self) -> Path | None:
        path = self.folder / urlsplit(self.path).path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return None
        stat = path.stat()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(stat.st_size))
        self.send_header("Last-Modified", formatdate(stat.st_mtime, usegmt=True))
        self.send_header("ETag", f'"{stat.st_mtime_ns:x}"')
        self.end_headers()
        return path


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, Path(sys.argv[1]))) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
