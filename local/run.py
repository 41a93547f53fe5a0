"""The main job, followed from API to marts. Invariant: success is read from the ledger."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local.rest import LocalAirflowApi
from local.result import is_fresh, show_result
from local.stack import Stack
from scripts.errors import UnavailableError
from scripts.landing.keys import raw_key
from sources import SOURCES, Source

INGESTS = {f"ingest_{name}": name for name, source in SOURCES.items() if not source.parent}
CHILDREN = {f"ingest_{name}": name for name, source in SOURCES.items() if source.parent}
TRANSFORM = "transform_posts"
_POLL_SECONDS = 0.4
_PARSE_SECONDS = 120
_TRIGGER_SECONDS = 60
_RUN_SECONDS = 600
_ENDED = {"success", "failed"}
_QUIET = {"waiting", "scheduled", "queued"}
_NOT_RUN = {"skipped", "upstream_failed", "removed"}
_COLOURS = {"success": "green", "failed": "red", "running": "cyan", "skipped": "yellow"}


def run_main_job(stack: Stack, day: date | None, started_at: datetime, console: Console) -> bool:
    """Trigger the ingest of a day, follow the DAGs and show the result. Return its success.

    Without a day it is the one that is due. The ingest of a child starts when its parent has
    landed. The job succeeds when the day of every source is in the marts. Every transform since
    `started_at` counts, because a new scheduler ingests today automatically and may be faster.
    """
    if not INGESTS:
        console.print("[bold]no source is declared[/bold]: add one with `make source`")
        return True
    now = datetime.now(UTC)
    days = {name: landed_day(source, day, now) for name, source in SOURCES.items()}
    facts = stack.status()
    api = LocalAirflowApi(facts["airflow_url"], facts["airflow_user"], facts["airflow_password"])
    console.print("[dim]• waiting for Airflow to parse the DAGs[/dim]")
    _wait_for_dags(api)
    since = _earliest_run_after(api, started_at)
    run_ids = {
        dag_id: api.trigger(dag_id, {"day": days[source].isoformat()})
        for dag_id, source in INGESTS.items()
    }
    console.print(f"[dim]• following {', '.join(INGESTS)}, then {TRANSFORM}[/dim]")
    keys = {source: raw_key(source, landed) for source, landed in days.items()}
    snapshots = _snapshots(stack, api, keys, run_ids, since)
    runs = _follow(snapshots, console)
    return show_result(stack, keys, runs, console)


def landed_day(source: Source, day: date | None, now: datetime) -> date:
    """Return the day to land of a source: the named one, but none that has not ended yet."""
    last = source.day.last_day(now)
    return min(day or last, last)


def _wait_for_dags(api: LocalAirflowApi) -> None:
    """Wait until the DAGs can be triggered. Raises UnavailableError with the import error."""
    deadline = time.monotonic() + _PARSE_SECONDS
    while not all(api.dag(dag_id) for dag_id in (*INGESTS, *CHILDREN, TRANSFORM)):
        if errors := api.import_errors():
            raise UnavailableError(f"{errors[0]['filename']}: {errors[0]['stack_trace'][-500:]}")
        if time.monotonic() > deadline:
            raise UnavailableError("Airflow has not parsed the DAGs: read the dag-processor's log")
        time.sleep(_POLL_SECONDS)


def _earliest_run_after(api: LocalAirflowApi, started_at: datetime) -> datetime:
    """Return the earliest `run_after` of an active transform, but at the latest `started_at`.

    An active transform blocks the next one, and may load what is ingested while it runs.
    """
    runs = api.runs_since(TRANSFORM, started_at - timedelta(days=1))
    active = [run["run_after"] for run in runs if run["state"] not in _ENDED]
    return min([started_at, *map(datetime.fromisoformat, active)])


def _follow(snapshots: Iterable[list[dict[str, Any]]], console: Console) -> list[dict[str, Any]]:
    """Show the runs until the marts are fresh or a run has failed. Return the last snapshot."""
    runs: list[dict[str, Any]] = []
    shown: dict[str, str] = {}
    with Live(console=console, transient=True, refresh_per_second=4) as live:
        for runs in snapshots:
            live.update(Group(*map(_view, runs)))
            if not console.is_terminal:
                _print_changes(runs, shown, console)
    for run in runs:
        console.print(_view(run))
    return runs


def _snapshots(
    stack: Stack,
    api: LocalAirflowApi,
    keys: dict[str, str],
    run_ids: dict[str, str],
    since: datetime,
) -> Iterator[list[dict[str, Any]]]:
    """Yield the runs with their tasks repeatedly, until every result is final."""
    deadline = time.monotonic() + _RUN_SECONDS
    ingested: float | None = None
    while time.monotonic() < deadline:
        ingests = [api.run(dag_id, run_id) for dag_id, run_id in run_ids.items()]
        ingests += [run for dag_id in CHILDREN for run in api.runs_since(dag_id, since)]
        transforms = api.runs_since(TRANSFORM, since)
        for run in (*ingests, *transforms):
            run["tasks"] = api.tasks(run["dag_id"], run["dag_run_id"])
        yield [*ingests, *transforms]
        if all(run["state"] == "failed" for run in ingests):
            return
        if all(run["state"] in _ENDED for run in ingests):
            ingested = ingested or time.monotonic()
            if _is_settled(stack, keys, ingests, transforms):
                return
            if not transforms and time.monotonic() - ingested > _TRIGGER_SECONDS:
                raise UnavailableError(f"{TRANSFORM} was not triggered: read the scheduler's log")
        time.sleep(_POLL_SECONDS)
    raise UnavailableError(f"no result in {_RUN_SECONDS} s: see `make status` and the UI")


def _is_settled(
    stack: Stack,
    keys: dict[str, str],
    ingests: list[dict[str, Any]],
    transforms: list[dict[str, Any]],
) -> bool:
    """Return whether all transforms ended, and the last failed or all ingested data is fresh."""
    if not transforms or not all(run["state"] in _ENDED for run in transforms):
        return False
    last = {run["dag_id"]: run["state"] for run in ingests}
    names = {**INGESTS, **CHILDREN}
    failed = {names[dag_id] for dag_id, state in last.items() if state == "failed"}
    landed = [keys[name] for name in names.values() if not failed & {name, *_ancestors(name)}]
    return transforms[-1]["state"] == "failed" or all(is_fresh(stack, key) for key in landed)


def _ancestors(name: str) -> Iterator[str]:
    """Yield the parent of a source, its parent, and so on: a child waits for all of them."""
    while parent := SOURCES[name].parent:
        name = parent.source.name
        yield name


def _view(run: dict[str, Any]) -> Group:
    return Group(Text(f"{run['dag_id']}  {run['dag_run_id']}", style="bold"), _table(run))


def _table(run: dict[str, Any]) -> Table:
    table = Table(box=None)
    for column in ("task", "state", "seconds"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    for task in sorted(run["tasks"], key=_order):
        state = task["state"] or "waiting"
        seconds = task["duration"]
        if state in _NOT_RUN and task["task_id"] != "load":
            continue
        table.add_row(
            task["task_display_name"] or task["task_id"],
            f"[{_COLOURS.get(state, 'dim')}]{state}[/]",
            "" if seconds is None else f"{seconds:.1f}",
        )
    return table


def _order(task: dict[str, Any]) -> str:
    return task["start_date"] or "~"


def _print_changes(runs: list[dict[str, Any]], shown: dict[str, str], console: Console) -> None:
    """Print each change of state once, because the output is not a terminal to redraw."""
    for run in runs:
        for task in sorted(run["tasks"], key=_order):
            name = f"{run['dag_id']}.{task['task_id']}"
            state = task["state"] or "waiting"
            if state in _QUIET | _NOT_RUN or shown.get(name) == state:
                continue
            shown[name] = state
            console.print(f"  {name}: {state}", highlight=False)
