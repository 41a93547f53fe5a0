"""The environment of a measurement. Invariant: it names neither a path nor the machine."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import ROOT
from benchmarks.peers.environment import lock
from benchmarks.warehouse import OPTIONS, Warehouse

_OURS = ("psycopg", "msgspec", "requests", "boto3", "apache-airflow-providers-postgres")
_PIPELINE = ("apache-airflow", "astronomer-cosmos", "dbt-core", "dbt-postgres", "psycopg", "boto3")
_LAKEHOUSE = ("pysail", "pyspark-client", "dbt-core", "dbt-spark", "deltalake")
_PEERS = ("dlt", "adbc-driver-postgresql", "pyarrow", "orjson", "pandas", "sqlalchemy")
_MEASURED = ("sources", "scripts", "local", "benchmarks", "dags", "dbt", "deploy", "callbacks")


def facts(warehouse: Warehouse, *, with_peers: bool) -> dict[str, str]:
    """Return the facts that a reader needs to compare the figures with another machine's."""
    told = {
        **_here(),
        "PostgreSQL": f"{warehouse.version()}, fsync on, {', '.join(OPTIONS)}, else its defaults",
        "Python": f"{platform.python_version()}, bytecode compiled",
        "ours": ", ".join(f"{name} {version(name)}" for name in _OURS),
    }
    return told | ({"peers": locked("loaders", _PEERS)} if with_peers else {})


def pipeline_facts(server: str) -> dict[str, str]:
    """Return the same for the local stack. `server` is the version of its Postgres."""
    return {
        **_here(),
        "PostgreSQL": f"{server}, fsync on, its defaults",
        "Python": f"{platform.python_version()}, bytecode compiled",
        "ours": ", ".join(f"{name} {version(name)}" for name in _PIPELINE),
    }


def lakehouse_facts(warehouse: Warehouse) -> dict[str, str]:
    """Return the facts of a warehouse, and the versions of the engine and its client."""
    pinned = _pinned(ROOT / "requirements" / "tools" / "spark.txt", _LAKEHOUSE)
    return facts(warehouse, with_peers=False) | {"lakehouse": pinned}


def client_facts() -> dict[str, str]:
    """Return the same for a measurement without a warehouse."""
    ours = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "requests", "boto3"))
    return {**_here(), "Python": platform.python_version(), "ours": ours}


def peer_versions() -> str:
    """Return the versions of the peers that our own environment does not contain."""
    names = {"dagster": ("dagster", "dagster-dbt"), "prefect": ("prefect", "prefect-dbt")}
    return ", ".join(locked(environment, found) for environment, found in names.items())


def _here() -> dict[str, str]:
    return {
        "commit": commit(),
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB",
        "system": f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f} "
        "before the run",
    }


def commit() -> str:
    """Return the commit, and whether the measured code differs from it."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", *_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}, with changes" if changed else name


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def locked(environment: str, names: Sequence[str]) -> str:
    """Return the versions of some packages in a peer environment."""
    return _pinned(lock(environment), names)


def _pinned(locked_file: Path, names: Sequence[str]) -> str:
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", locked_file.read_text(), re.MULTILINE))
    return ", ".join(f"{name} {pinned[name]}" for name in names)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
