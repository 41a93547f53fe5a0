"""Build and publish with dbt in one process. Invariant: imports and first parse do not count."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.jobs import history_days
from benchmarks.measure import ROOT
from benchmarks.warehouse import Warehouse

_QUIET = ("--quiet", "--no-write-json", "--log-level-file", "none")
_PLACE = ("--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt"))
THREADS = 2  # as in the DAG
_BUILD = ("build", "--exclude-resource-type", "unit_test", "--threads", str(THREADS))


@dataclass(frozen=True)
class Run:
    """The cost of one command. Memory is the peak above its start, in bytes."""

    seconds: float
    server_cpu: float
    peak_bytes: int
    nodes: Mapping[str, float]  # the seconds of each model and test


@dataclass(frozen=True)
class WarmDbt:
    """A process that has imported dbt and parsed the project."""

    worker: ProcessPoolExecutor
    server_cpu: Callable[[], float]

    def build(self) -> Run:
        """Build and test every model."""
        return self._run(*_BUILD)

    def publish(self) -> Run:
        """Publish what was built."""
        return self._run("run-operation", "publish")

    def _run(self, *command: str) -> Run:
        before = self.server_cpu()
        job = self.worker.submit(history_days.run, [*_QUIET, *command, *_PLACE])
        seconds, peak, nodes = job.result()
        return Run(seconds, self.server_cpu() - before, peak, nodes)


@contextmanager
def warm_dbt(warehouse: Warehouse) -> Iterator[WarmDbt]:
    """Yield dbt for a warehouse, which may still be empty."""
    warm_ups = [[*_QUIET, command, *_PLACE] for command in ("parse", "compile")]
    with ProcessPoolExecutor(
        max_workers=1,
        mp_context=get_context("spawn"),  # a new process, not a copy of this one
        initializer=history_days.prepare,
        initargs=(warehouse.transformer(), warm_ups),
    ) as worker:
        yield WarmDbt(worker, warehouse.cpu)
