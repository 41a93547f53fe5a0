"""Measure one job from inside its process. Invariant: the cost of its imports does not count.

This module imports only the standard library, because peers use it in a separate environment.
"""

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def run(job: Callable[[dict[str, Any]], int]) -> None:
    """Run `job` with the JSON object of the command line, and print its measurement as JSON.

    Args:
        job: does the work and returns the number of rows. Its imports are already done.
    """
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    gc.collect()
    before, cpu, started = start_peak(), _cpu(), time.perf_counter()
    rows = job(arguments)
    report = {
        "rows": rows,
        "seconds": time.perf_counter() - started,
        "client_cpu": _cpu() - cpu,
        "peak_bytes": max(0, peak() - before),
    }
    sys.stdout.flush()
    sys.stdout.write("\n" + json.dumps(report) + "\n")


def _cpu() -> float:
    """Return CPU seconds of this process, all its threads and its finished children."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def start_peak() -> int:
    """Reset the memory peak, where the kernel supports it, and return the current use in bytes."""
    try:
        _CLEAR.write_text("5")
        return _kilobytes("VmRSS") * 1024
    except OSError:
        return peak()


def peak() -> int:
    """Return the memory peak in bytes."""
    if _STATUS.exists():
        return _kilobytes("VmHWM") * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _kilobytes(name: str) -> int:
    line = next(x for x in _STATUS.read_text().splitlines() if x.startswith(f"{name}:"))
    return int(line.split()[1])
