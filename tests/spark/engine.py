"""Sail on loopback: the engine that stands in for a Spark cluster, reached through Spark Connect.

It keeps nothing: its catalog is that of a session, and the tables are files. It runs in the
environment ``.tools/spark``, which `make dbt-spark` installs.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from local.processes import ManagedProcess, is_listening

ENVIRONMENT = Path(__file__).parents[2] / ".tools" / "spark" / "bin"


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
        argv = [str(ENVIRONMENT / "sail"), "spark", "server", *place]
        return ManagedProcess("sail", argv, {**os.environ, "TZ": "UTC"}, self.folder)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self.managed.start()
        self.managed.wait_until(lambda: is_listening(self.port), 30)
