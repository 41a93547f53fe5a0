"""The dbt part of a transform on the local stack. Invariant: real scheduler, same warehouse."""

import subprocess
import time
from collections.abc import Callable
from datetime import date, datetime
from statistics import median
from typing import Any

from benchmarks.figures import Figure
from benchmarks.live import Live, running_stack, wait_for
from benchmarks.measure import DBT, ROOT
from local.run import TRANSFORM
from scripts.settings import dbt_environment

_DAY = date(2026, 1, 2)
_ROUNDS = 5
_ENDED = {"success", "failed"}
_NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
_MODES = {  # label, and the highest ratio that meets the goal
    "false": ("a task a model", 2.5),
    "true": ("one task", 0.8),
}


def figures(tell: Callable[[str], None]) -> list[Figure]:
    """Return the wall time of the dbt part in each mode, as a multiple of a plain `dbt build`."""
    with running_stack() as live:
        live.put(_DAY)
        live.until_published(_DAY)
        return [_figure(live, mode, tell) for mode in _MODES]


def _figure(live: Live, mode: str, tell: Callable[[str], None]) -> Figure:
    """Measure one mode in rounds, each together with a plain build."""
    label, most = _MODES[mode]
    live.stop()
    live.up(PIPELINE_DBT_SINGLE_TASK=mode)
    ratios = []
    for number in range(_ROUNDS + 1):
        inside, plain = _inside(live), _plain(live)
        if number:  # the first round is a warm-up
            ratios.append(inside / plain)
            tell(f"{label}: {inside:.1f} s, plain {plain:.1f} s")
    return Figure(f"dbt's part, {label} / plain dbt build", median(ratios), at_most=most)


def _inside(live: Live) -> float:
    """Reload the day through Airflow and return the seconds from the first dbt task to the last."""
    api = live.airflow()
    run_id = api.trigger(TRANSFORM, {"days": [_DAY.isoformat()]})
    run = wait_for(lambda: api.run(TRANSFORM, run_id), lambda run: run["state"] in _ENDED)
    if run["state"] != "success":
        raise RuntimeError("the transform failed")
    tasks = [task for task in api.tasks(TRANSFORM, run_id) if _is_of_dbt(task)]
    starts = [datetime.fromisoformat(task["start_date"]) for task in tasks]
    ends = [datetime.fromisoformat(task["end_date"]) for task in tasks]
    return (max(ends) - min(starts)).total_seconds()


def _is_of_dbt(task: dict[str, Any]) -> bool:
    name = str(task["task_id"])
    return name == "test_sources" or name.startswith("dbt.")


def _plain(live: Live) -> float:
    """Return the wall seconds of a plain `dbt build` of the same warehouse."""
    place = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt")]
    started = time.perf_counter()
    subprocess.run(
        [DBT, "--quiet", "--log-level-file", "none", "build", *place, *_NO_UNIT_TESTS],
        env=dbt_environment(live.stack.dsn("transformer")),
        check=True,
    )
    return time.perf_counter() - started
