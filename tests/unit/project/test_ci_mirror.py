"""`.ci/mirror` finds a mirror of Terraform's providers that nobody else can change."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_MIRROR = Path(__file__).parents[3] / ".ci" / "mirror"
_NAME = "registry.terraform.io"


def _found(root: Path) -> str:
    done = subprocess.run([_MIRROR, root], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _mirror(root: Path, name: str) -> None:
    folder = root / name / _NAME
    folder.mkdir(parents=True)
    for path in (root, root / name, folder):
        path.chmod(0o755)


def test_a_mirror_of_ours_is_found(tmp_path: Path) -> None:
    assert _found(tmp_path) == ""
    _mirror(tmp_path, "opt")
    assert _found(tmp_path) == str(tmp_path / "opt")


@pytest.mark.parametrize("place", [f"shared/{_NAME}", "shared"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_mirror_that_others_can_change_or_replace_is_not_run(
    tmp_path: Path, place: str, mode: int
) -> None:
    _mirror(tmp_path, "shared")
    (tmp_path / place).chmod(mode)
    assert _found(tmp_path) == ""
