"""The peers' virtual environment. Invariant: it holds what the lock beside it says."""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import ROOT

_LOCK = Path(__file__).with_name("requirements.txt")
_FOLDER = ROOT / ".local" / "benchmarks" / "peers"


def ready() -> Path:
    """Return the interpreter of the environment, installed now if the lock has changed."""
    python, mark = _FOLDER / "bin" / "python", _FOLDER / ".installed"
    wanted = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        _FOLDER.parent.mkdir(parents=True, exist_ok=True)
        _uv("venv", "--quiet", "--clear", f"--python={sys.executable}", str(_FOLDER))
        _uv(
            *("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"),
            *(f"--python={python}", str(_LOCK)),
        )
        mark.write_text(wanted)
    return python


def _uv(*arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name("uv"), *arguments], check=True)
