"""Long-running child processes by name. Invariant: only a process that we started is signalled.

A pid alone can be reused by the system; each pid file therefore keeps the creation time too.
"""

import os
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
        """Start the process in a session of its own; does nothing while it runs already.

        What a dead one has left is killed first: nobody would find it again.
        """
        if self.process() is not None:
            return
        self._end_family()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                self.argv,
                env=dict(self.env),
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
        known = self._known()
        if known is None:
            return None
        if child := _children.get(known.pid):
            child.poll()  # takes leave of it if it has ended
        try:
            process = psutil.Process(known.pid)
            is_ours = _is_created_at(process, known.created)
            return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def _known(self) -> _PidFile | None:
        try:
            return msgspec.json.decode(self._pid_file.read_bytes(), type=_PidFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

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
        self._end_family()
        if process is not None and (child := _children.pop(process.pid, None)):
            child.wait()
        self._pid_file.unlink(missing_ok=True)

    def _end_family(self) -> None:
        survivors = self._family()
        for survivor in survivors:
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        psutil.wait_procs(survivors, timeout=5)

    def _family(self) -> list[psutil.Process]:
        """Return the living members of the process's session, also after its leader was killed."""
        known = self._known()
        family: list[psutil.Process] = []
        for process in psutil.process_iter() if known else ():
            with suppress(psutil.Error, OSError):
                if known and os.getsid(process.pid) == known.pid:
                    family.append(process)
        # A number that leads another session now was free to be taken: ours has no member left.
        is_taken = any(
            known and member.pid == known.pid and not _is_created_at(member, known.created)
            for member in family
        )
        return [] if is_taken else family

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


def _is_created_at(process: psutil.Process, moment: float) -> bool:
    return abs(process.create_time() - moment) < 1


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
