"""dbt's part of a transform on the local stack. Invariant: a real scheduler, the same warehouse."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measure import ROOT
from scripts.local.rest import AirflowApi
from scripts.local.stack import Stack
from scripts.settings import dbt_environment

_DAY = "2026-01-02"
_ROUNDS = 5
_SECONDS = 300
_NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
_MODES = {  # label, and the most that it may take
    "false": ("a task a model", 2.5),
    "true": ("one task", 0.8),
}


def figures(tell: Callable[[str], None]) -> list[Figure]:
    """Return the wall time of dbt's part, task a model and one task, in plain `dbt build`s."""
    with tempfile.TemporaryDirectory(prefix="elt-stack-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root the database server runs as another user
        state = Path(folder) / "state"
        try:
            return [_figure(state, mode, tell) for mode in _MODES]
        finally:
            _local(state, "false", "down", "--purge")


def _figure(state: Path, mode: str, tell: Callable[[str], None]) -> Figure:
    """Measure one mode in rounds, each beside a plain build."""
    label, most = _MODES[mode]
    _local(state, mode, "run", "--day", _DAY)
    stack = Stack(state)
    facts = json.loads(_local(state, mode, "status", "--json"))
    api = AirflowApi(facts["airflow_url"], facts["airflow_user"], facts["airflow_password"])
    ratios = []
    for number in range(_ROUNDS + 1):
        inside, plain = _inside(api), _plain(stack)
        if number:  # the first warms up
            ratios.append(inside / plain)
            tell(f"{label}: {inside:.1f} s, plain {plain:.1f} s")
    _local(state, mode, "down")
    return Figure(f"dbt's part, {label} / plain dbt build", median(ratios), at_most=most)


def _local(state: Path, single_task: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.local", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "PIPELINE_LOCAL_DIR": str(state),
            "PIPELINE_DBT_SINGLE_TASK": single_task,
            "PIPELINE_WATCH_SCHEDULE": "@yearly",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def _inside(api: AirflowApi) -> float:
    """Reload the day through Airflow; return the seconds from dbt's first task to its last."""
    run_id = api.trigger("transform_posts", {"days": [_DAY]})
    deadline = time.monotonic() + _SECONDS
    while (state := api.run("transform_posts", run_id)["state"]) not in {"success", "failed"}:
        if time.monotonic() > deadline:
            raise RuntimeError("the transform does not end")
        time.sleep(0.5)
    if state != "success":
        raise RuntimeError("the transform failed")
    tasks = [task for task in api.tasks("transform_posts", run_id) if _is_of_dbt(task)]
    starts = [datetime.fromisoformat(task["start_date"]) for task in tasks]
    ends = [datetime.fromisoformat(task["end_date"]) for task in tasks]
    return (max(ends) - min(starts)).total_seconds()


def _is_of_dbt(task: dict[str, Any]) -> bool:
    name = str(task["task_id"])
    return name == "test_sources" or name.startswith("dbt.")


def _plain(stack: Stack) -> float:
    """Return the wall seconds of a plain `dbt build` of the same warehouse."""
    place = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt")]
    started = time.perf_counter()
    subprocess.run(
        ["dbt", "--quiet", "--log-level-file", "none", "build", *place, *_NO_UNIT_TESTS],
        env=dbt_environment(stack.dsn("transformer")),
        check=True,
    )
    return time.perf_counter() - started
