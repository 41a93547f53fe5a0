"""Long-running child processes by name. Invariant: only processes that we started are signalled.

The system can reuse a pid, so each pid file also keeps the creation time of its process.
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
_children: dict[int, subprocess.Popen[bytes]] = {}  # deleting a Popen of a live process warns


class _PidFile(msgspec.Struct):
    pid: int
    created: float


@dataclass(frozen=True)
class ManagedProcess:
    """One process of the stack: its command, and the folder of its pid file and its log."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    folder: Path

    @property
    def log(self) -> Path:
        """The file with the process's output."""
        return self.folder / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def start(self) -> None:
        """Start the process in a new session, unless it already runs.

        Orphans of a dead predecessor are killed first, because they could not be found later.
        """
        if self.process() is not None:
            return
        self._kill_session()
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
        """Return the running process, or None if it was never started or has ended."""
        recorded = self._recorded()
        if recorded is None:
            return None
        if child := _children.get(recorded.pid):
            child.poll()  # reaps it if it has ended
        try:
            process = psutil.Process(recorded.pid)
            is_ours = _is_created_at(process, recorded.created)
            return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def _recorded(self) -> _PidFile | None:
        try:
            return msgspec.json.decode(self._pid_file.read_bytes(), type=_PidFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def state(self) -> str:
        """Return ``running``, ``dead`` (ended without `stop`) or ``stopped``."""
        if self.process() is not None:
            return "running"
        return "dead" if self._pid_file.exists() else "stopped"

    def stop(self, grace_seconds: float = 15) -> None:
        """Terminate the process, then kill what remains of its session."""
        process = self.process()
        if process is not None:
            process.terminate()  # it stops its children in the right order
            psutil.wait_procs([process], timeout=grace_seconds)
        self._kill_session()
        if process is not None and (child := _children.pop(process.pid, None)):
            child.wait()
        self._pid_file.unlink(missing_ok=True)

    def _kill_session(self) -> None:
        survivors = self._session()
        for survivor in survivors:
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        psutil.wait_procs(survivors, timeout=5)

    def _session(self) -> list[psutil.Process]:
        """Return the living members of the process's session, even if its leader was killed."""
        leader = self._recorded()
        if leader is None:
            return []
        members: list[psutil.Process] = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(process.pid) == leader.pid:
                    members.append(process)
        # The system reuses a session's number only after its last member has ended.
        is_reused = any(
            member.pid == leader.pid and not _is_created_at(member, leader.created)
            for member in members
        )
        return [] if is_reused else members

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, is_ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait for readiness. Raises UnavailableError with the log's end on death or timeout."""
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
