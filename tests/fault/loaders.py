"""Loaders that stop, die or lose their connection at a place that a test chooses."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scripts.landing.store import Store
from tests.loading import DAY, environment

COMMIT = b"Q\0\0\0\x0bCOMMIT\0"  # the message that psycopg sends


class Loader:
    """A loader in a separate process."""

    def __init__(self, store: Store, dsn: str, **places: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.load", "posts", "--day", DAY.isoformat()],
            env=environment(store, dsn, **places),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_stopped(self) -> None:
        """Wait for its SIGSTOP. Fail if the process ends instead."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"ended with status {status} and never stopped"

    def finish(self) -> tuple[int, str]:
        """Return its exit status (negative: the signal that killed it) and its output."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err


@contextmanager
def loader(store: Store, dsn: str, **places: str) -> Iterator[Loader]:
    """Start a loader, and kill it at the end of the block if it still runs."""
    started = Loader(store, dsn, **places)
    try:
        yield started
    finally:
        if started.process.returncode is None:
            started.process.kill()
            started.process.communicate()


@dataclass
class CommitCutter:
    """A TCP proxy in front of Postgres that cuts a connection at the n-th COMMIT, from 1.

    Before: the COMMIT does not reach the server. After: the COMMIT reaches the server. The proxy
    receives the reply and does not pass it to the client.
    """

    dsn: str
    is_after: bool
    at: int = 1
    strikes: int = 0
    commits: int = 0
    reply: bytes = b""
    _has_reply: threading.Event = field(default_factory=threading.Event)
    _is_cut: bool = False
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def proxied(self) -> str:
        """The DSN of the warehouse through the proxy."""
        port = self._listener.getsockname()[1]
        # TLS would hide the COMMIT. The test's server does not use TLS.
        return make_conninfo(self.dsn, port=port, sslmode="disable", gssencmode="disable")

    def _serve(self) -> None:
        parts = conninfo_to_dict(self.dsn)
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the test has ended
                return
            server = socket.create_connection((str(parts["host"]), int(str(parts["port"]))))
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            while data := _receive(client):
                if data.endswith(COMMIT):
                    self.commits += 1
                    if self.commits == self.at:
                        self.strikes += 1
                        self._is_cut = True
                        if self.is_after:
                            server.sendall(data)
                            self._has_reply.wait(30)
                        _hang_up(client)
                        _hang_up(server)
                        return
                server.sendall(data)
            _hang_up(server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        while data := _receive(server):
            if self._is_cut:
                self.reply = data
                self._has_reply.set()
                return
            client.sendall(data)
        _hang_up(client)


def _receive(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65_536)
    except OSError:
        return b""


def _hang_up(peer: socket.socket) -> None:
    with suppress(OSError):  # the peer has already closed it
        peer.shutdown(socket.SHUT_RDWR)
