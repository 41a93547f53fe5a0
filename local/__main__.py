"""The local stack's command line: up, run, status, airflow and down."""

import json
import os
import subprocess
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.airflow import PROGRAM, environment
from local.run import run_main_job
from local.stack import Stack
from local.state import StackOptions, state_folder
from scripts.cli import run_app
from scripts.errors import PipelineError
from scripts.health.facts import State
from scripts.health.terminal import badge, verdict_line
from scripts.landing.keys import parse_day

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The whole pipeline on this machine: Postgres, S3, an API, alert sinks and Airflow.",
)
_console = Console()

Day = Annotated[str | None, typer.Option(help="day to ingest, YYYY-MM-DD (default: today)")]
Api = Annotated[str | None, typer.Option(help="URL of a real API, or 'stand-in' to switch back")]
Posts = Annotated[int | None, typer.Option(min=0, help="number of posts of the stand-in API")]
Seed = Annotated[int | None, typer.Option(help="seed of the stand-in API's posts")]
Workers = Annotated[
    int | None, typer.Option(min=0, help="number of Celery workers, or 0 for LocalExecutor")
]


@app.callback()
def _no_proxy_between_us() -> None:
    """Reach the servers of the stack directly. A proxy of the environment is for the internet."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = ",".join(filter(None, (given, "127.0.0.1", "localhost")))
    os.environ.update(no_proxy=direct, NO_PROXY=direct)


def _reporting_stack() -> Stack:
    return Stack(state_folder(), report=lambda line: _console.print(f"[dim]• {line}[/dim]"))


def _options(stack: Stack, api: str | None, **numbers: int | None) -> StackOptions:
    """Return the stack's remembered options, updated with the options of this command."""
    given = {"api": "" if api == "stand-in" else api, **numbers}
    changes = {name: value for name, value in given.items() if value is not None}
    return msgspec.structs.replace(stack.state.options, **changes)


@app.command()
def up(api: Api = None, posts: Posts = None, seed: Seed = None, workers: Workers = None) -> None:
    """Start the stack and leave it running. Processes that already run are not restarted."""
    stack = _reporting_stack()
    stack.up(_options(stack, api, posts=posts, seed=seed, workers=workers))
    _show(stack)


@app.command()
def run(
    day: Day = None,
    api: Api = None,
    posts: Posts = None,
    seed: Seed = None,
    workers: Workers = None,
) -> None:
    """Start the stack, run the main job from the API to the marts, and show the result."""
    chosen = parse_day(day) if day else None
    stack = _reporting_stack()
    started_at = datetime.now(UTC)
    stack.up(_options(stack, api, posts=posts, seed=seed, workers=workers))
    if not run_main_job(stack, chosen, started_at, _console):
        raise typer.Exit(1)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show processes, addresses, alerts and the health verdict. Exit 1 if a process is dead."""
    stack = Stack(state_folder())
    if as_json:
        typer.echo(json.dumps(stack.status()))
    else:
        _show(stack)
    if "dead" in stack.states().values():
        raise typer.Exit(1)


@app.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    }
)
def airflow(context: typer.Context) -> None:
    """Run an Airflow command on this stack, for example `airflow dags list`."""
    stack = Stack(state_folder())
    command = [PROGRAM, *context.args]
    done = subprocess.run(command, env=environment(stack.folder, stack.state), check=False)
    raise typer.Exit(done.returncode)


@app.command()
def down(
    purge: Annotated[bool, typer.Option(help="also delete the stack's state")] = False,
) -> None:
    """Stop every process that the stack started."""
    _reporting_stack().down(purge=purge)
    _console.print("the stack is down" + (" and its state is deleted" if purge else ""))


def _show(stack: Stack) -> None:
    facts = stack.status()
    table = Table("process", "state", box=None)
    for name, state in facts.pop("processes").items():
        table.add_row(name, f"[{'green' if state == 'running' else 'red'}]{state}[/]")
    _console.print(table)
    for name, state in stack.states().items():
        if state == "dead":
            tail = stack.processes()[name].tail()
            _console.print(f"[red]{name} died[/red]; its log ends:\n{tail}", highlight=False)
    if not facts["alerts_go_to"]:
        _console.print("[bold red]no alert channel is configured: failures are NOT reported[/]")
    for name, value in facts.items():
        _console.print(f"{name:<21} {value}", highlight=False, soft_wrap=True)
    _console.print(_verdict(stack), soft_wrap=True)


def _verdict(stack: Stack) -> Text:
    """Return the health verdict in one line. It is unknown if the health cannot be read."""
    try:
        return verdict_line(stack.health())
    except PipelineError as error:
        return Text.assemble(badge(State.GREY, State.GREY.word), f": {error}")


if __name__ == "__main__":
    run_app(app)
