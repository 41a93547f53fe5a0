"""The files of .secrets/: random, made once, and in reach of their owner only."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.secret_files import FOLDER, JWT_KEY, write_secrets

pytestmark = pytest.mark.unit


def _files(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / FOLDER).iterdir()}


def test_each_installation_has_its_own_secrets_and_keeps_them(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write_secrets(folder, {})
        made.append(_files(folder))
        assert write_secrets(folder, {}).items() <= made[-1].items()
        assert _files(folder) == made[-1]
    one, two = made
    assert [name for name in one if one[name] == two[name]] == []
    assert len(set(one.values())) == len(one) == 11
    assert min(map(len, one.values())) >= 32
    Fernet(one["fernet_key"])
    assert isinstance(load_pem_private_key(one[JWT_KEY].encode(), None), Ed25519PrivateKey)


def test_all_may_read_a_file_but_only_the_owner_gets_to_it(tmp_path: Path) -> None:
    """The user of a container reads what the engine mounts."""
    write_secrets(tmp_path, {})
    place = tmp_path / FOLDER
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o644}


def test_the_passwords_of_an_earlier_release_stay_those_of_its_volumes(tmp_path: Path) -> None:
    earlier = {
        "PIPELINE_METADATA_PASSWORD": "metadata-of-the-volume",
        "PIPELINE_WAREHOUSE_PASSWORD": "owner-of-the-volume",
        "AIRFLOW__CORE__FERNET_KEY": "",
    }
    found = write_secrets(tmp_path, earlier)
    assert found["warehouse_password"] == "owner-of-the-volume"
    assert found["metadata_conn"].endswith("//airflow:metadata-of-the-volume@metadata/airflow")
    assert found["fernet_key"]
