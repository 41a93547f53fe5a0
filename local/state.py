"""What the local stack remembers between commands. Invariant: one file, readable by its owner only.

Everything lies under one folder, `.local` in the working tree unless PIPELINE_LOCAL_DIR names
another: the servers' data, their logs, and ``state.json`` with ports and generated passwords.
"""

import base64
import os
import secrets
from pathlib import Path

import msgspec

from local.processes import free_port

ROOT = Path(__file__).parents[1]
BUCKET = "landing"


class Ports(msgspec.Struct):
    """Loopback ports, chosen free once and remembered."""

    postgres: int = msgspec.field(default_factory=free_port)
    s3: int = msgspec.field(default_factory=free_port)
    api: int = msgspec.field(default_factory=free_port)
    slack: int = msgspec.field(default_factory=free_port)
    smtp: int = msgspec.field(default_factory=free_port)
    airflow: int = msgspec.field(default_factory=free_port)
    broker: int = msgspec.field(default_factory=free_port)


def _secret() -> str:
    return secrets.token_urlsafe(24)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Secrets(msgspec.Struct):
    """Passwords and keys, generated once for this stack and used nowhere else."""

    postgres: str = msgspec.field(default_factory=_secret)
    owner: str = msgspec.field(default_factory=_secret)
    metadata: str = msgspec.field(default_factory=_secret)
    loader: str = msgspec.field(default_factory=_secret)
    transformer: str = msgspec.field(default_factory=_secret)
    reader: str = msgspec.field(default_factory=_secret)
    airflow_admin: str = msgspec.field(default_factory=_secret)
    airflow_viewer: str = msgspec.field(default_factory=_secret)
    broker: str = msgspec.field(default_factory=_secret)
    jwt: str = msgspec.field(default_factory=_secret)
    api: str = msgspec.field(default_factory=_secret)
    fernet: str = msgspec.field(default_factory=_fernet_key)


class Choices(msgspec.Struct, frozen=True):
    """What the user asked for: a real API's base URL, or the stand-in's posts and seed.

    With `workers` tasks run in so many Celery workers, without in the scheduler's own processes.
    """

    api: str = ""
    posts: int = 100
    seed: int = 1
    workers: int = 0


class State(msgspec.Struct):
    """The content of state.json."""

    ports: Ports = msgspec.field(default_factory=Ports)
    secrets: Secrets = msgspec.field(default_factory=Secrets)
    choices: Choices = msgspec.field(default_factory=Choices)
    migrated_airflow: str = ""


def state_folder() -> Path:
    """Return the one folder of the stack's state."""
    return Path(os.environ.get("PIPELINE_LOCAL_DIR") or ROOT / ".local").resolve()


def read_state(folder: Path) -> State:
    """Return the remembered state; on first use a new one with free ports and new secrets."""
    file = folder / "state.json"
    if not file.exists():
        return State()
    return msgspec.json.decode(file.read_bytes(), type=State)


def write_state(folder: Path, state: State) -> None:
    """Remember the state."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "state.json"
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
