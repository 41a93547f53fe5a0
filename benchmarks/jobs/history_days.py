"""dbt commands in a process that has imported dbt and parsed the project, as in Airflow's tasks.

The process is the worker of a pool: it calls `prepare` once, and `run` for each command.
"""

import time
from collections.abc import Sequence

from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner

from benchmarks import probe
from scripts.settings import enter_dbt_environment


def prepare(dsn: str, warm_ups: Sequence[Sequence[str]]) -> None:
    """Connect this process to a warehouse, and run the commands that are not measured."""
    enter_dbt_environment(dsn)
    for command in warm_ups:
        run(command)


def run(command: Sequence[str]) -> tuple[float, int, dict[str, float]]:
    """Return the wall seconds of a command, its peak of memory, and the seconds of each node.

    The peak is that above the memory at the start, in bytes. The nodes are models and tests.

    Raises:
        RuntimeError: the command failed.
    """
    before, started = probe.start_peak(), time.perf_counter()
    done = dbtRunner().invoke(list(command))
    seconds, peak = time.perf_counter() - started, max(0, probe.peak() - before)
    if not done.success:
        raise RuntimeError(f"dbt failed: {' '.join(command)}")
    results = done.result.results if isinstance(done.result, RunExecutionResult) else ()
    nodes = {
        result.node.name: result.execution_time
        for result in results
        if result.node.resource_type in ("model", "test")
    }
    return seconds, peak, nodes
