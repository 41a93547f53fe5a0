"""What this machine has, and what would make `make run` fail: ``python3 -m local.doctor``.

It runs before anything is installed, so it uses only the standard library of Python 3.9.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[1]
_VERSIONS = ((3, 11), (3, 12), (3, 13), (3, 14))
_INTERPRETERS = ("python3", *(f"python{major}.{minor}" for major, minor in _VERSIONS))
_GIGABYTE = 1e9
_DISK, _TEMPORARY, _MEMORY = 2.5, 0.5, 2.0  # GB that a run needs. The tests need 2 GB more disk
_MACHINE, _CONTAINER, _LIMIT = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), ("max", "current")


class Finding(NamedTuple):
    """One line of the report. `problem` says what to do about it. A fatal one ends a run."""

    name: str
    fact: str
    problem: str = ""
    is_fatal: bool = True


def findings(folder: Path) -> Iterator[Finding]:
    """Yield what was found about this machine and the folder of the project."""
    yield _system()
    yield _python()
    yield _installer()
    yield _disk("disk", folder, _DISK)
    yield _disk("temporary files", Path(tempfile.gettempdir()), _TEMPORARY)
    yield _memory()
    yield _folder(folder)
    yield _loopback()
    yield _user()
    yield _proxy()
    yield _git()


def _system() -> Finding:
    fact = f"{platform.system()} {platform.release()} on {platform.machine()}"
    is_known = platform.system() in {"Linux", "Darwin"}
    return Finding("system", fact, "" if is_known else "use Linux, macOS or WSL")


def _python() -> Finding:
    found = {version for name in _INTERPRETERS if (version := _version(name)) in _VERSIONS}
    fact = f"{platform.python_version()} runs this"
    if not found:
        return Finding(
            "python",
            fact,
            "none of 3.11 to 3.14 is on PATH: uv downloads one. Without internet, install one",
            is_fatal=False,
        )
    newest = max(found)
    return Finding("python", f"{fact}, {newest[0]}.{newest[1]} is on PATH")


def _version(name: str) -> tuple[int, int] | None:
    """Return the version of an interpreter, or None if it is not there or does not start."""
    path = shutil.which(name)
    if path is None:
        return None
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def _installer() -> Finding:
    if path := shutil.which("uv"):
        return Finding("installer", path)
    if find_spec("ensurepip") and find_spec("venv"):
        return Finding("installer", "the locked uv, installed into .tools/uv")
    problem = "install uv, or the package venv of python3, as in: apt-get install python3-venv"
    return Finding("installer", "none", problem)


def _disk(name: str, folder: Path, needed: float) -> Finding:
    free = shutil.disk_usage(folder).free / _GIGABYTE
    fact = f"{free:.1f} GB free at {folder}"
    return Finding(name, fact, "" if free >= needed else f"make run needs {needed} GB")


def _memory() -> Finding:
    available = _available_memory()
    if available is None:
        return Finding("memory", "unknown on this system")
    fact = f"{available:.1f} GB available"
    is_enough = available >= _MEMORY
    return Finding("memory", fact, "" if is_enough else f"make run needs {_MEMORY} GB")


def _available_memory() -> float | None:
    """Return GB, of the machine or of this container, whichever is less."""
    try:
        lines = _MACHINE.read_text().splitlines()
    except OSError:
        return None
    facts = dict(line.split(":") for line in lines)
    found = [int(facts["MemAvailable"].split()[0]) * 1024]
    with suppress(OSError, ValueError):  # without a limit it says max
        limit, used = (int((_CONTAINER / f"memory.{name}").read_text()) for name in _LIMIT)
        found.append(limit - used)
    return min(found) / _GIGABYTE


def _folder(folder: Path) -> Finding:
    """Look whether a database and an environment can live here."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as made:
            lacks = _lacks(Path(made))
            has_case = not Path(made.replace(".doctor-", ".DOCTOR-")).exists()
    except OSError as error:
        return Finding("folder", str(folder), f"{error.strerror}: use a folder that you can write")
    if lacks:
        return Finding("folder", str(folder), f"its file system has no {lacks}: use a local disk")
    if not has_case:
        text = "its file system ignores case: two keys that differ in case are one file"
        return Finding("folder", str(folder), text, is_fatal=False)
    return Finding("folder", str(folder))


def _lacks(folder: Path) -> str:
    """Return what the file system of an empty folder cannot do, or nothing."""
    try:
        (folder / "link").symlink_to(folder)
    except OSError:
        return "symbolic links"
    with suppress(OSError):
        folder.chmod(0o700)
    return "" if folder.stat().st_mode & 0o777 == 0o700 else "permissions"


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
    except OSError as error:
        return Finding("ports", "127.0.0.1", f"no server can listen there: {error.strerror}")
    return Finding("ports", f"free ones are used, such as 127.0.0.1:{port}")


def _user() -> Finding:
    if os.geteuid():
        return Finding("user", "an ordinary one")
    return Finding("user", "root: Postgres runs as nobody")


def _proxy() -> Finding:
    names = [name for name in ("http_proxy", "https_proxy", "all_proxy") if _variable(name)]
    if not names:
        return Finding("proxy", "none")
    return Finding("proxy", f"{', '.join(names)}, not for servers of this machine")


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def _git() -> Finding:
    path = shutil.which("git")
    text = "" if path else "make run works without it. Some tests and make lint need it"
    return Finding("git", path or "none", text, is_fatal=False)


def main() -> int:
    """Print the report, or only what would fail. Return the exit status."""
    parser = argparse.ArgumentParser(prog="make doctor", description=main.__doc__)
    parser.add_argument("--problems", action="store_true", help="print only what would fail")
    only_problems = parser.parse_args().problems
    found = list(findings(_ROOT))
    fatal = [finding for finding in found if finding.problem and finding.is_fatal]
    for finding in fatal if only_problems else found:
        mark = "ok  " if not finding.problem else "FAIL" if finding.is_fatal else "note"
        text = f"{mark}  {finding.name:16} {finding.fact}"
        sys.stdout.write(text + (f"\n      {finding.problem}" if finding.problem else "") + "\n")
    return 1 if fatal else 0


if __name__ == "__main__":
    sys.exit(main())
