"""Real processes are started, found again, reported dead, and stopped with their children."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local.processes import ManagedProcess, free_port, is_listening
from scripts.errors import UnavailableError

pytestmark = pytest.mark.unit

# A parent with a child that renames itself, as Airflow's workers do, and outlives the parent.
_PARENT = """
import os, sys, time
if os.fork() == 0:
    import setproctitle
    setproctitle.setproctitle("another name")
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
time.sleep(600)
"""


def _process(folder: Path, *argv: str) -> ManagedProcess:
    return ManagedProcess("probe", [sys.executable, "-c", *argv], os.environ, folder)


def _family(folder: Path) -> tuple[ManagedProcess, list[psutil.Process]]:
    pids = folder / "pids"
    managed = _process(folder, _PARENT, str(pids))
    managed.start()
    managed.wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 2, 30)
    return managed, [psutil.Process(int(pid)) for pid in pids.read_text().split()]


def _is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_stop_ends_the_process_and_its_renamed_child(tmp_path: Path) -> None:
    managed, family = _family(tmp_path)
    assert managed.state() == "running"
    managed.stop()
    assert managed.state() == "stopped"
    assert all(map(_is_gone, family))


def test_stop_ends_what_a_killed_process_left(tmp_path: Path) -> None:
    managed, family = _family(tmp_path)
    parent = managed.process()
    assert parent
    parent.kill()
    parent.wait(10)
    assert managed.state() == "dead"
    managed.stop()
    assert all(map(_is_gone, family))


def test_starting_again_ends_what_a_killed_process_left(tmp_path: Path) -> None:
    managed, family = _family(tmp_path)
    parent = managed.process()
    assert parent
    parent.kill()
    parent.wait(10)
    managed.start()
    try:
        assert all(map(_is_gone, family))
        assert managed.state() == "running"
    finally:
        managed.stop()


def test_a_reused_number_is_never_signalled(tmp_path: Path) -> None:
    managed = _process(tmp_path, "pass")
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    ) as stranger:
        (tmp_path / "probe.pid").write_text(f'{{"pid": {stranger.pid}, "created": 1.0}}')
        managed.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    managed = _process(tmp_path, "raise SystemExit('no such port')")
    managed.start()
    with pytest.raises(UnavailableError, match="probe died; its log ends:\nno such port"):
        managed.wait_until(lambda: False, 30)


def test_a_free_port_is_free() -> None:
    assert not is_listening(free_port())
