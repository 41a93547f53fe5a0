"""Write .secrets/: one file for each secret of the servers. Invariant: a file is never changed.

Compose mounts a file only where it is used, so neither the environment of a container nor its
description on the engine has it. What tasks use is in connections, in .env.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.state import new_fernet_key, new_secret

FOLDER = ".secrets"
JWT_KEY = "jwt_key.pem"
# The setting of each in a .env of before there were files: existing volumes have its value.
_EARLIER = (
    ("superuser_password", "PIPELINE_SUPERUSER_PASSWORD"),
    ("metadata_password", "PIPELINE_METADATA_PASSWORD"),
    ("warehouse_password", "PIPELINE_WAREHOUSE_PASSWORD"),
    ("results_password", "PIPELINE_RESULTS_PASSWORD"),
    ("broker_password", "PIPELINE_BROKER_PASSWORD"),
    ("api_secret_key", "AIRFLOW__API__SECRET_KEY"),
    ("fernet_key", "AIRFLOW__CORE__FERNET_KEY"),
)
_DRIVER = "postgresql+psycopg2"
# What is made of them, because Airflow reads a whole address.
_ADDRESSES = {
    "metadata_conn": f"{_DRIVER}://airflow:{{metadata_password}}@metadata/airflow",
    "result_backend": f"db+{_DRIVER}://celery:{{results_password}}@metadata/celery",
    "broker_url": "redis://:{broker_password}@broker:6379/0",
}


def write_secrets(folder: Path, earlier: Mapping[str, str]) -> dict[str, str]:
    """Write each file that is missing below `folder`. Return the content of each by its name.

    `earlier` are the settings of an existing .env. Only the owner can enter the folder, because
    all may read a file: the users of the containers do.
    """
    place = folder / FOLDER
    place.mkdir(mode=0o700, exist_ok=True)
    found = {
        name: _written(place / name, earlier.get(setting) or _new(name))
        for name, setting in _EARLIER
    }
    for name, text in _ADDRESSES.items():
        found[name] = _written(place / name, text.format(**found))
    _written(place / JWT_KEY, _new_key())
    return found


def _new(name: str) -> str:
    return new_fernet_key() if name == "fernet_key" else new_secret()


def _new_key() -> str:
    """Return a private key that signs Airflow's tokens."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _written(path: Path, text: str) -> str:
    """Write a file unless there is one. Return what is in it."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(handle, "w") as file:
        file.write(text)
    path.chmod(0o644)  # whatever the umask is
    return text
