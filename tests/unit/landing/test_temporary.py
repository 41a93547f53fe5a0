"""A full disk under the temporary files is named. Other errors pass as they are."""

import tempfile
from pathlib import Path

import pytest

from scripts.errors import ConfigurationError
from scripts.landing.temporary import temporary_space

pytestmark = pytest.mark.unit


def test_a_full_disk_is_named_with_its_folder() -> None:
    full = Path("/dev/full")  # every write to it fails with ENOSPC
    with (
        pytest.raises(ConfigurationError, match=f"no space left .* {tempfile.gettempdir()}"),
        temporary_space(),
        full.open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_another_error_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), temporary_space():
        (tmp_path / "absent").read_bytes()
