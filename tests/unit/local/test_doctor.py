"""What `make doctor` finds on a machine that cannot run the stack."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import doctor
from tests.documents import ROOT, run_readme

_MEMINFO = "MemTotal: 9 kB\nMemAvailable: {} kB\n"


def _problems(folder: Path) -> dict[str, str]:
    return {found.name: found.problem for found in doctor.findings(folder) if found.problem}


def test_this_machine_can_run_the_stack(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.doctor", "--problems"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    # A usual disk of macOS ignores case, which ends no run.
    assert not _problems(tmp_path).keys() - {"git", "folder"}


def test_the_report_has_a_line_for_each_fact(tmp_path: Path) -> None:
    done = run_readme("make doctor", ROOT)
    assert done.returncode == 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert len(lines) == len(list(doctor.findings(tmp_path)))
    assert {line.split()[0] for line in lines} <= {"ok", "note"}


def test_a_full_disk_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1e8))
    monkeypatch.setattr(sys, "argv", ["doctor", "--problems"])
    assert doctor.main() == 1
    printed = capsys.readouterr().out
    assert "0.1 GB free at" in printed
    assert "make run needs 2.5 GB" in printed
    assert "loopback" not in printed


@pytest.mark.parametrize("limit", ["max", "2000000000"])
def test_too_little_memory_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    machine = tmp_path / "meminfo"
    machine.write_text(_MEMINFO.format(900_000 if limit == "max" else 9_000_000))
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("500000000")
    monkeypatch.setattr(doctor, "_MACHINE", machine)
    monkeypatch.setattr(doctor, "_CONTAINER", tmp_path)
    assert _problems(tmp_path)["memory"] == "make run needs 2.0 GB"


def test_a_python_without_its_package_venv_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    problems = _problems(tmp_path)
    assert "apt-get install python3-venv" in problems["installer"]
    assert "uv downloads one" in problems["python"]
    assert "git" in problems


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    found = {found.name: found for found in doctor.findings(tmp_path)}
    assert found["folder"] == ("folder", str(tmp_path), "", True)
    assert "No such file" in doctor._folder(gone).problem


def test_a_file_system_without_links_or_permissions_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As exFAT has neither: mounted, it gave these answers."""

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    made = tmp_path / "made"
    made.mkdir()
    made.chmod(0o777)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert doctor._lacks(made) == "permissions"
    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert (
        _problems(tmp_path)["folder"] == "its file system has no symbolic links: use a local disk"
    )


def test_an_old_python_can_read_it() -> None:
    ast.parse(Path(doctor.__file__).read_text(), feature_version=(3, 9))
