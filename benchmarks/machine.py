"""Where and with what it was measured. Invariant: no path and no name of the machine is told."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import ROOT
from benchmarks.warehouse import OPTIONS, Warehouse

_OURS = ("psycopg", "msgspec", "requests", "boto3", "apache-airflow-providers-postgres")
_PEERS = ("dlt", "adbc-driver-postgresql", "pyarrow", "orjson", "pandas", "sqlalchemy")
LOCK = Path(__file__).parent / "peers" / "requirements.txt"


def facts(warehouse: Warehouse, *, with_peers: bool) -> dict[str, str]:
    """Return what a reader must know to compare the figures with those of another machine."""
    told = {
        "commit": commit(),
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB",
        "system": f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f} "
        "before the run",
        "PostgreSQL": f"{warehouse.version()}, fsync on, {', '.join(OPTIONS)}, else its defaults",
        "Python": f"{platform.python_version()}, bytecode compiled",
        "ours": ", ".join(f"{name} {version(name)}" for name in _OURS),
    }
    return told | ({"peers": _locked(LOCK.read_text())} if with_peers else {})


def commit() -> str:
    """Return the commit, and whether what is measured differs from it."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "scripts", "benchmarks")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}, with changes" if changed else name


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _locked(lock: str) -> str:
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    return ", ".join(f"{name} {pinned[name]}" for name in _PEERS)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
