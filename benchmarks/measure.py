"""Wall, CPU and peak memory of a child process. Invariant: every contender is measured alike.

A job measures itself (`benchmarks.probe`), so interpreter start and imports do not count. The
server's CPU is the difference over the job.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
DBT = str(Path(sys.executable).with_name("dbt"))  # found without an activated environment


@dataclass(frozen=True)
class Sample:
    """One measurement. Memory is the peak above the imports, in bytes."""

    rows: int
    seconds: float
    client_cpu: float
    server_cpu: float
    peak_bytes: int


def run_job(
    module: str,
    arguments: Mapping[str, Any],
    server_cpu: Callable[[], float],
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
) -> Sample:
    """Run ``python -m module`` with a JSON object, and return what its job reports.

    Without `env` the job gets the environment of `environment`.

    Raises:
        RuntimeError: the job failed. The message holds its last lines.
    """
    before = server_cpu()
    said = _run([python, "-m", module, json.dumps(dict(arguments))], env or environment())
    report = json.loads(said.splitlines()[-1])
    return Sample(server_cpu=server_cpu() - before, **report)


def run_process(
    argv: Sequence[str], env: Mapping[str, str], server_cpu: Callable[[], float], rows: int
) -> Sample:
    """Run a whole process, from its start to its end. Its memory is not measured."""
    before, cpu, started = server_cpu(), _children_cpu(), time.perf_counter()
    _run(argv, env)
    seconds = time.perf_counter() - started
    return Sample(rows, seconds, _children_cpu() - cpu, server_cpu() - before, 0)


def environment() -> dict[str, str]:
    """Return this process's environment for a child, which may store compiled bytecode."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT)}


def tree_cpu(root: psutil.Process) -> float:
    """Return the CPU seconds of a process and all its descendants, including ended ones.

    The parent that waited for an ended process includes its time.
    """
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _run(argv: Sequence[str], env: Mapping[str, str]) -> str:
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            argv, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
        )
        if done.returncode:
            errors.seek(0)
            tail = "\n".join([*done.stdout.splitlines(), *errors.read().splitlines()][-15:])
            raise RuntimeError(f"{' '.join(argv[1:3])} ended with {done.returncode}:\n{tail}")
    return done.stdout
