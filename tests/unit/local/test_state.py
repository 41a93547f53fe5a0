"""The stack's state: one private file that survives a restart of the command."""

import os
import stat
from base64 import urlsafe_b64decode
from pathlib import Path

import msgspec
import pytest

from local.state import (
    ROOT,
    Secrets,
    StackOptions,
    StackState,
    read_state,
    state_folder,
    write_state,
)

pytestmark = pytest.mark.unit


def test_the_state_survives_a_write_and_a_read(tmp_path: Path) -> None:
    state = StackState(
        options=StackOptions(api="https://api.example", posts=7), migrated_airflow="3"
    )
    folder = tmp_path / "not" / "there"
    write_state(folder, state)
    assert read_state(folder) == state


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    for _ in range(2):
        write_state(tmp_path, StackState())
        assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_reading_an_empty_folder_writes_nothing(tmp_path: Path) -> None:
    assert read_state(tmp_path).options == StackOptions()
    assert list(tmp_path.iterdir()) == []


def test_no_two_secrets_are_equal() -> None:
    first, second = (msgspec.structs.asdict(Secrets()) for _ in range(2))
    made = [*first.values(), *second.values()]
    assert len(set(made)) == len(made)
    assert all(len(secret) >= 32 for secret in made)
    assert len(urlsafe_b64decode(first["fernet"])) == 32


def test_the_folder_is_in_the_work_tree_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path / "a" / ".." / "b"))
    assert state_folder() == tmp_path / "b"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", "")
    monkeypatch.setattr("local.state.is_open_to_all", lambda _folder: True)
    assert state_folder() == ROOT / ".local"


@pytest.mark.parametrize(("user", "parent"), [(0, Path("/var/lib")), (1000, ROOT)])
def test_only_as_root_a_private_work_tree_does_not_hold_the_folder(
    monkeypatch: pytest.MonkeyPatch, user: int, parent: Path
) -> None:
    monkeypatch.delenv("PIPELINE_LOCAL_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr("local.state.is_open_to_all", lambda _folder: False)
    assert state_folder().parent == parent
