"""The cost of an idle stack. Invariant: a run during the measurement makes it fail."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from benchmarks.live import INGEST, Live
from benchmarks.measure import tree_cpu
from local.run import TRANSFORM


@dataclass(frozen=True)
class Idle:
    """Resource use of Airflow's processes over some seconds without a run.

    Attributes:
        seconds: duration of the measurement.
        cpu: CPU seconds by process, its descendants included.
        pss: proportional set size in bytes by process, its descendants included.
        server_cpu: CPU seconds of Postgres.
    """

    seconds: float
    cpu: dict[str, float]
    pss: dict[str, int]
    server_cpu: float

    @property
    def share(self) -> float:
        """CPU of all Airflow processes, as a share of one core."""
        return sum(self.cpu.values()) / self.seconds

    @property
    def memory(self) -> int:
        """Memory of all Airflow processes, in bytes."""
        return sum(self.pss.values())


def idle(live: Live, seconds: float) -> Idle:
    """Measure the idle stack.

    Raises:
        RuntimeError: a run began during the measurement.
    """
    since = datetime.now(UTC)
    started, server, before = time.perf_counter(), live.server_cpu(), _cpu(live)
    time.sleep(seconds)
    after = _cpu(live)
    watched = Idle(
        time.perf_counter() - started,
        {name: after[name] - before[name] for name in before},
        _pss(live),
        live.server_cpu() - server,
    )
    api = live.airflow()
    if runs := [run for dag in (INGEST, TRANSFORM) for run in api.runs_since(dag, since)]:
        raise RuntimeError(f"not idle: {len(runs)} runs began")
    return watched


def _cpu(live: Live) -> dict[str, float]:
    return {name: tree_cpu(root) for name, root in live.roots().items()}


def _pss(live: Live) -> dict[str, int]:
    return {name: _tree_pss(root) for name, root in live.roots().items()}


def _tree_pss(root: psutil.Process) -> int:
    total = 0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # a parser process has ended
            total += process.memory_full_info().pss
    return total
