"""Every mutant can be applied to the tree as it is, and names a test that exists."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_PATCHES = sorted((_ROOT / "tests" / "mutants").glob("*.patch"))


@pytest.mark.skipif(not shutil.which("patch"), reason="the program patch is not on PATH")
@pytest.mark.parametrize("patch", _PATCHES, ids=lambda patch: patch.stem)
def test_a_mutant_applies_and_names_a_test(patch: Path) -> None:
    done = subprocess.run(
        ["patch", "-p1", "--dry-run", "--quiet", "--input", patch],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    named = re.match(r"test: ([^:\s]+)(?:::(\w+))?", patch.read_text())
    assert named
    assert f"def {named[2] or 'test_'}" in (_ROOT / named[1]).read_text()
