"""The result of the main job. Invariant: every figure is read back from its system of record."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from local.plots import declared_plots, write_report
from local.stack import Stack
from local.state import BUCKET, ROOT
from scripts.landing.store import Store
from scripts.warehouse.connection import connect

_SHOWN_CHARACTERS = 48


def is_fresh(stack: Stack, key: str) -> bool:
    """Return whether the current version of the object `key` is loaded and published."""
    found = landing(stack).head(key)
    row = _ledger_row(stack, key)
    if found is None or row is None:
        return False
    return row["sha256"] == found.sha256 and row["published_at"] is not None


def landing(stack: Stack) -> Store:
    """Open the local landing zone."""
    return Store.of_session(
        stack.ministack.session(), BUCKET, endpoint_url=stack.ministack.endpoint
    )


def show_result(
    stack: Stack, keys: Mapping[str, str], runs: list[dict[str, Any]], console: Console
) -> bool:
    """Print the result of the runs. Return whether the marts are fresh and every test passed.

    `keys` has the object of each source by its name.
    """
    last = {run["dag_id"]: run["state"] for run in runs}
    is_good = set(last.values()) == {"success"} and all(is_fresh(stack, k) for k in keys.values())
    table = Table(box=None, show_header=False)
    for label, value in _facts(stack, keys, runs).items():
        table.add_row(f"[bold]{label}[/bold]", value)
    console.rule("[bold green]the marts are fresh" if is_good else "[bold red]not fresh")
    console.print(table, highlight=False, soft_wrap=True)
    if is_good:
        marts = marts_of_manifest()
        for rows in _first_rows(stack, marts):
            console.print(rows)
        page = stack.folder / "marts.html"
        write_report(declared_plots(marts), stack.dsn("reader"), page)
        console.print(f"the marts as plots: {page}", highlight=False, soft_wrap=True)
    else:
        _show_failures(stack, runs, console)
    return is_good


def _facts(stack: Stack, keys: Mapping[str, str], runs: list[dict[str, Any]]) -> dict[str, str]:
    facts = stack.status()
    lines = {source: _source_line(stack, key) for source, key in keys.items()}
    lines["dbt"] = _dbt_line(stack, runs)
    lines["seconds"] = ", ".join(f"{run['dag_id']} {run['duration'] or 0:.1f}" for run in runs)
    lines["alerts sent"] = (
        f"{facts['slack_messages']} to Slack, {facts['mails']} by mail (kept in {stack.inbox})"
    )
    lines["Airflow"] = (
        f"{facts['airflow_url']}  user {facts['airflow_user']}  "
        f"password {facts['airflow_password']}"
    )
    return lines


def _source_line(stack: Stack, key: str) -> str:
    """Return what became of the day of a source."""
    if landing(stack).head(key) is None:
        return f"nothing at s3://{BUCKET}/{key}"
    row = _ledger_row(stack, key)
    if row is None:
        return f"s3://{BUCKET}/{key} is not loaded"
    counts = f"{row['received']} received = {row['loaded']} loaded + {row['rejected']} rejected"
    return f"{counts}  s3://{BUCKET}/{key}"


def _dbt_line(stack: Stack, runs: list[dict[str, Any]]) -> str:
    """Return what dbt recorded, once every task of it has ended."""
    states = [
        task["state"] for run in runs for task in run["tasks"] if task["task_id"].startswith("dbt.")
    ]
    if not states or set(states) == {"skipped"}:
        return "nothing new: this day is already loaded and published"
    succeeded = states.count("success") + states.count("skipped")
    if succeeded < len(states):
        failed = states.count("failed")
        return f"{failed} of {len(states)} build tasks failed, {succeeded} succeeded"
    with connect(stack.dsn("transformer")) as connection:
        rows = connection.execute(
            "select split_part(node, '.', 1), count(*) from build.outcomes where passed group by 1"
        ).fetchall()
    counts = dict(rows)
    return f"{counts.get('model', 0)} models built, {counts.get('test', 0)} tests passed"


def _show_failures(stack: Stack, runs: list[dict[str, Any]], console: Console) -> None:
    for run in runs:
        failed = [task["task_id"] for task in run["tasks"] if task["state"] == "failed"]
        if failed:
            console.print(f"[red]failed[/red]: {run['dag_id']}: {', '.join(failed)}")
    logs = stack.folder / "logs" / "tasks"
    console.print(f"open the run in Airflow's UI, or read the task logs in {logs}", soft_wrap=True)


def marts_of_manifest() -> list[dict[str, Any]]:
    """Return the models of the marts, as dbt's manifest describes them."""
    nodes = json.loads((ROOT / "dbt" / "target" / "manifest.json").read_text())["nodes"].values()
    return [node for node in nodes if node["resource_type"] == "model" and "marts" in node["fqn"]]


def _first_rows(stack: Stack, marts: list[dict[str, Any]]) -> Iterator[Table]:
    """Yield the first rows of the marts that say so in their ``meta``, else of any mart."""
    chosen = [node for node in marts if "first_rows" in node["config"]["meta"]] or marts[:1]
    with connect(stack.dsn("reader")) as connection:
        for node in chosen:
            columns = node["config"]["meta"].get("first_rows") or list(node["columns"])[:5]
            table = Table(*columns, title=f"marts.{node['name']}")
            query = sql.SQL("select {} from {} order by 1 limit 5").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.Identifier("marts", node["name"]),
            )
            for row in connection.execute(query):
                table.add_row(*map(_shortened, row))
            yield table


def _shortened(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _ledger_row(stack: Stack, key: str) -> dict[str, Any] | None:
    with connect(stack.dsn("loader"), row_factory=dict_row) as connection:
        return connection.execute(
            "select * from ops.loads where key = %s and is_current", [key]
        ).fetchone()
