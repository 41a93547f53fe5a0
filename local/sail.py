"""Sail on loopback: the engine that stands in for a Spark cluster, reached through Spark Connect.

It keeps nothing: its catalog is that of a session, and the tables are files. It runs in the
environment ``.tools/spark``, whose interpreter also runs dbt.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import ManagedProcess, free_port, is_listening
from local.state import ROOT

_TOOLS = ROOT / ".tools"
_PROGRAMS = _TOOLS / "spark" / "bin"
PYTHON = str(_PROGRAMS / "python")
_READY_SECONDS = 30


def packages() -> Path | None:
    """Return the folder of the packages that a loader into Delta tables needs, if installed."""
    return next((_TOOLS / "lakehouse").glob("lib/python*/site-packages"), None)


@dataclass(frozen=True)
class Sail:
    """One server: its port and the folder of its log."""

    port: int
    folder: Path

    @property
    def remote(self) -> str:
        """The address that a Spark Connect client takes."""
        return f"sc://127.0.0.1:{self.port}"

    @property
    def managed(self) -> ManagedProcess:
        """The process. It binds only to loopback."""
        place = ("--ip", "127.0.0.1", "--port", str(self.port))
        argv = [str(_PROGRAMS / "sail"), "spark", "server", *place]
        return ManagedProcess("sail", argv, {**os.environ, "TZ": "UTC"}, self.folder)

    def settings(self, root: str, timeout_seconds: int = 300) -> dict[str, str]:
        """Return the settings of the pipeline that choose it, with the tables below a root."""
        return {
            "PIPELINE_WAREHOUSE": "delta",
            "PIPELINE_LAKEHOUSE_ROOT": root,
            "PIPELINE_LAKEHOUSE_PYTHON": PYTHON,
            "PIPELINE_LAKEHOUSE_TIMEOUT_SECONDS": str(timeout_seconds),
            "PIPELINE_SPARK_REMOTE": self.remote,
        }

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self.managed.start()
        self.managed.wait_until(lambda: is_listening(self.port), _READY_SECONDS)

    def kill(self) -> None:
        """End the server immediately, in the middle of what it does."""
        if process := self.managed.process():
            process.kill()
        self.managed.stop()


@contextmanager
def running_sail(folder: Path) -> Iterator[Sail]:
    """Yield a server that is killed when the block ends."""
    server = Sail(free_port(), folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
