"""The peers' virtual environments. Invariant: each contains exactly what its lock file lists."""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import ROOT

_FOLDERS = ROOT / ".local" / "benchmarks"


def lock(name: str) -> Path:
    """Return the locked requirements of an environment."""
    return Path(__file__).with_name(f"{name}.txt")


def ready(name: str) -> Path:
    """Return the interpreter of an environment. Install it first if its lock has changed."""
    folder, locked = _FOLDERS / name, lock(name)
    python, mark = folder / "bin" / "python", folder / ".installed"
    wanted = hashlib.sha256(locked.read_bytes() + sys.version.encode()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _uv("venv", "--quiet", "--clear", f"--python={sys.executable}", str(folder))
        _uv(
            *("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"),
            *(f"--python={python}", str(locked)),
        )
        mark.write_text(wanted)
    return python


def _uv(*arguments: str) -> None:
    subprocess.run(["uv", *arguments], check=True)
