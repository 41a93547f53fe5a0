"""The local stack's state between commands. Invariant: one file that only its owner can read.

One folder holds everything: the servers' data, their logs, and ``state.json`` with ports and
generated passwords. It is `.local` in the working tree, or the folder in PIPELINE_LOCAL_DIR. As
root in a private work tree it is in ``/var/lib``.
"""

import base64
import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from local.processes import free_port
from scripts.errors import ConfigurationError

_FILE = "state.json"

ROOT = Path(__file__).parents[1]
BUCKET = "landing"


class Ports(msgspec.Struct):
    """Loopback ports, chosen once among the free ones."""

    postgres: int = msgspec.field(default_factory=free_port)
    s3: int = msgspec.field(default_factory=free_port)
    api: int = msgspec.field(default_factory=free_port)
    slack: int = msgspec.field(default_factory=free_port)
    smtp: int = msgspec.field(default_factory=free_port)
    airflow: int = msgspec.field(default_factory=free_port)
    broker: int = msgspec.field(default_factory=free_port)


def new_secret() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(24)


def new_fernet_key() -> str:
    """Return a random key for Airflow's Fernet encryption."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Secrets(msgspec.Struct):
    """Passwords and keys, generated once and used only by this stack."""

    postgres: str = msgspec.field(default_factory=new_secret)
    owner: str = msgspec.field(default_factory=new_secret)
    metadata: str = msgspec.field(default_factory=new_secret)
    loader: str = msgspec.field(default_factory=new_secret)
    transformer: str = msgspec.field(default_factory=new_secret)
    reader: str = msgspec.field(default_factory=new_secret)
    airflow_admin: str = msgspec.field(default_factory=new_secret)
    airflow_viewer: str = msgspec.field(default_factory=new_secret)
    broker: str = msgspec.field(default_factory=new_secret)
    jwt: str = msgspec.field(default_factory=new_secret)
    api: str = msgspec.field(default_factory=new_secret)
    fernet: str = msgspec.field(default_factory=new_fernet_key)


class StackOptions(msgspec.Struct, frozen=True):
    """The user's options: a real API's base URL, or the stand-in's posts and seed.

    `workers` is the number of Celery workers. With 0, tasks run in processes of the scheduler.
    """

    api: str = ""
    posts: int = 100
    seed: int = 1
    workers: int = 0


class StackState(msgspec.Struct):
    """The content of state.json."""

    ports: Ports = msgspec.field(default_factory=Ports)
    secrets: Secrets = msgspec.field(default_factory=Secrets)
    options: StackOptions = msgspec.field(name="choices", default_factory=StackOptions)
    migrated_airflow: str = ""
    declared: str = ""  # checksum of the sources and models that the running Airflow has read


def state_folder() -> Path:
    """Return the folder of the stack's state."""
    return Path(os.environ.get("PIPELINE_LOCAL_DIR") or _default_folder()).resolve()


def _default_folder() -> Path:
    if os.geteuid() or is_open_to_all(ROOT):
        return ROOT / ".local"
    # PostgreSQL does not run as root, and another user cannot enter the work tree.
    return Path("/var/lib") / f"elt-local-{hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]}"


def is_open_to_all(folder: Path) -> bool:
    """Return whether every user can enter and list a folder."""
    return all(part.stat().st_mode & 0o005 == 0o005 for part in [folder, *folder.parents])


def check_state_folder(folder: Path) -> None:
    """Raise ConfigurationError if a folder exists that is not ours: a purge would delete it."""
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if names - {"lock"} and _FILE not in names:
        raise ConfigurationError(
            f"PIPELINE_LOCAL_DIR: {folder} contains other files. Name a new folder"
        )


def read_state(folder: Path) -> StackState:
    """Return the stored state, or on first use a new one with free ports and new secrets."""
    file = folder / _FILE
    if not file.exists():
        return StackState()
    return msgspec.json.decode(file.read_bytes(), type=StackState)


def write_state(folder: Path, state: StackState) -> None:
    """Store the state."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _FILE
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
