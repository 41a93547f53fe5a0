"""A day that is too large for one run: in parts, killed in the middle, and finished by the next.

``python -m benchmarks.parts`` measures, prints a table with goals, and exits with status 1 when a
goal is missed. docs/benchmarks.md describes the comparison.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer

from benchmarks import machine
from benchmarks.figures import Figure
from benchmarks.jobs.parts import DAY, digest
from benchmarks.measure import ROOT, environment
from benchmarks.report import put_between_markers, table
from local.ministack import MiniStack
from local.processes import free_port
from scripts.cli import run_cli
from scripts.landing.keys import raw_key
from scripts.landing.store import Store

_DOCS = ROOT / "docs" / "benchmarks.md"
_SECONDS = 24 * 3600
_RECORD_BYTES = 1000
_HOURS = 3  # of each of the eight parts
_KILLED = 4  # the fifth part
_BUCKET = "parts"


class Events(ThreadingHTTPServer):
    """An API of events: as many in each second of a day. It counts its requests."""

    daemon_threads = True

    def __init__(self, a_second: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.a_second = a_second
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    """Streams the events of [from, to), all of the same size."""

    protocol_version = "HTTP/1.1"
    server: Events

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        start, end = (int(query[name][0]) for name in ("from", "to"))
        self.server.asked.append(self.path)
        size = (end - start) * self.server.a_second * (_RECORD_BYTES + 1) + 1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        separator = b"["
        for second in range(start, end):
            block = b"".join(self._event(second, n, b",") for n in range(self.server.a_second))
            self.wfile.write(separator + block[1:])
            separator = b","
        self.wfile.write(b"]")

    def _event(self, second: int, number: int, before: bytes) -> bytes:
        head = b'%b{"id":%d,"text":"' % (before, second * 1000 + number)
        return head + b"x" * (_RECORD_BYTES - len(head) - 1) + b'"}'

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(events: Events) -> Iterator[Events]:
    """Serve from a thread while the block runs."""
    thread = threading.Thread(target=events.serve_forever, daemon=True)
    thread.start()
    try:
        yield events
    finally:
        events.shutdown()
        events.server_close()


def _run(arguments: dict[str, Any], kill_at: str = "") -> tuple[int, str, dict[str, Any]]:
    """Run the job. Return its exit status, the sha256 that it landed, and its report."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.jobs.parts", json.dumps(arguments)],
        cwd=ROOT,
        env={**environment(), "PIPELINE_KILL_AT": kill_at},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.returncode, "", {}
    landed, *_, report = filter(None, done.stdout.splitlines())
    return 0, landed.split()[0], json.loads(report)


def measure(megabytes: int, folder: Path) -> list[Figure]:
    """Land a day of this size at once, then in parts with a kill in the fifth. Compare them."""
    a_second = max(1, round(megabytes * 1e6 / _SECONDS / (_RECORD_BYTES + 1)))
    ministack = MiniStack(free_port(), folder)
    ministack.start()
    try:
        ministack.bootstrap(_BUCKET)
        with serving(Events(a_second)) as events:
            return _compared(events, ministack)
    finally:
        ministack.managed.stop()


def _compared(events: Events, ministack: MiniStack) -> list[Figure]:
    place = {"url": events.url, "endpoint": ministack.endpoint, "bucket": _BUCKET}
    store = Store.of_session(ministack.session(), _BUCKET, endpoint_url=ministack.endpoint)
    key = raw_key("events", DAY)
    _, whole, at_once = _run({**place, "hours": 0})
    store.delete_versions(list(store.versions(key)))
    parted = {**place, "hours": _HOURS}
    killed, _, _ = _run(parted, kill_at=f"ingest.before_part_{_KILLED}")
    before = len(events.asked)
    _, joined, in_parts = _run(parted)
    opened = store.open(key)
    content = digest(opened.blocks()) if opened else ""
    return [
        Figure("size of the day", at_once["rows"] * (_RECORD_BYTES + 1) / 1e6, "MB"),
        Figure("killed in the fifth of eight parts, with status", killed, "", at_most=-9),
        Figure("requests of the run after it", len(events.asked) - before, "", at_most=4),
        Figure(
            "objects with the same sha256, in the metadata and read, of 2",
            [joined, content].count(whole),
            "",
            at_least=2,
        ),
        Figure("peak memory above imports, at once", at_once["peak_bytes"] / 1e6, "MB", at_most=60),
        Figure(
            "peak memory above imports, of the run after the kill",
            in_parts["peak_bytes"] / 1e6,
            "MB",
            at_most=60,
        ),
        Figure("at once, wall", at_once["seconds"], "s"),
        Figure("at once, CPU", at_once["client_cpu"], "s"),
        Figure("the run after the kill, wall", in_parts["seconds"], "s"),
        Figure("the run after the kill, CPU", in_parts["client_cpu"], "s"),
    ]


def main(
    megabytes: Annotated[int, typer.Option(min=100, help="size of the day")] = 2000,
    *,
    is_written: Annotated[
        bool, typer.Option("--write", help="write to docs/benchmarks.md")
    ] = False,
) -> None:
    """Land a large day in parts, kill the run in the fifth, and finish it."""
    facts = machine.client_facts()
    with tempfile.TemporaryDirectory(prefix="elt-parts-", dir=os.environ.get("TMPDIR")) as folder:
        figures = measure(megabytes, Path(folder))
    about = "\n".join(f"- {name}: {fact}" for name, fact in facts.items())
    cells = [figure.cells() for figure in figures]
    text = f"{table(['figure', 'measured', 'goal', ''], cells)}\n\n{about}"
    typer.echo(text)
    if is_written:
        put_between_markers(_DOCS, "benchmarks.parts", text)
    if missed := [figure.name for figure in figures if not figure.is_met]:
        typer.echo(f"missed: {'; '.join(missed)}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
