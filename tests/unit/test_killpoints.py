"""A kill point signals the process that reaches it, once. Unarmed, it does nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
_REACH = "from scripts.killpoints import reach; reach('a.b'); reach('a.b'); print('lived')"


def reach(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _REACH],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_test_nothing_happens() -> None:
    assert reach().stdout == "lived\n"


def test_the_environment_kills_at_its_place_only() -> None:
    assert reach(PIPELINE_KILL_AT="a.b").returncode == -signal.SIGKILL
    assert reach(PIPELINE_KILL_AT="a.c").stdout == "lived\n"


def test_a_file_strikes_one_process_and_is_the_proof(tmp_path: Path) -> None:
    (tmp_path / "a.b").write_text("SIGKILL")

    assert reach(PIPELINE_KILL_FOLDER=str(tmp_path)).returncode == -signal.SIGKILL
    assert reach(PIPELINE_KILL_FOLDER=str(tmp_path)).stdout == "lived\n"

    [proof] = tmp_path.iterdir()
    assert proof.stem == "a.b"
    assert proof.suffix[1:].isdecimal()
