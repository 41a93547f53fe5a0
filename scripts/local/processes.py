"""Long-running child processes by name. Invariant: only a process that we started is signalled.

A pid alone can be reused by the system; each pid file therefore keeps the creation time too.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from scripts.errors import UnavailableError

_POLL_SECONDS = 0.05
_MARK = "PIPELINE_LOCAL_PROCESS"  # inherited by every descendant
_children: dict[int, subprocess.Popen[bytes]] = {}  # a Popen that is let go warns; ours live on


class _PidFile(msgspec.Struct):
    pid: int
    created: float


@dataclass(frozen=True)
class ManagedProcess:
    """One process of the stack: what it runs, and the folder that keeps its pid and its log."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    folder: Path

    @property
    def log(self) -> Path:
        """The file that takes the process's output."""
        return self.folder / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def start(self) -> None:
        """Start the process in a session of its own; does nothing while it runs already."""
        if self.process() is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                self.argv,
                env={**self.env, _MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[child.pid] = child
        created = psutil.Process(child.pid).create_time()
        self._pid_file.write_bytes(msgspec.json.encode(_PidFile(child.pid, created)))

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it has never started or is gone."""
        try:
            known = msgspec.json.decode(self._pid_file.read_bytes(), type=_PidFile)
            process = psutil.Process(known.pid)
            is_ours = abs(process.create_time() - known.created) < 1
            is_alive = process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, msgspec.DecodeError, psutil.NoSuchProcess):
            return None
        return process if is_ours and is_alive else None

    def state(self) -> str:
        """Return ``running``, ``dead`` (was started and is gone) or ``stopped``."""
        if self.process() is not None:
            return "running"
        return "dead" if self._pid_file.exists() else "stopped"

    def stop(self, grace_seconds: float = 15) -> None:
        """Ask the process to end, then kill what is left of it and of its descendants."""
        process = self.process()
        if process is not None:
            process.terminate()  # it knows in which order its children end
            psutil.wait_procs([process], timeout=grace_seconds)
        survivors = self._family()
        for survivor in survivors:
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        psutil.wait_procs(survivors, timeout=5)
        if process is not None and (child := _children.pop(process.pid, None)):
            child.wait()
        self._pid_file.unlink(missing_ok=True)

    def _family(self) -> list[psutil.Process]:
        """Return every living process that inherited our mark, also one whose parent was killed."""
        family = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark:
                    family.append(process)
        return family

    @property
    def _mark(self) -> str:
        return f"{self.folder}:{self.name}"

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, is_ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait for readiness; raises UnavailableError with the log's end if it dies or is late."""
        deadline = time.monotonic() + timeout_seconds
        while not is_ready():
            if self.process() is None:
                raise UnavailableError(f"{self.name} died; its log ends:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{self.name} was not ready in {timeout_seconds:.0f} s; "
                    f"its log ends:\n{self.tail()}"
                )
            time.sleep(_POLL_SECONDS)


def is_listening(port: int) -> bool:
    """Return whether something accepts connections on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
