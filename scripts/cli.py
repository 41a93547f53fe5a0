"""What all command lines share. Invariant: exit 0, or exit 2 with the error as one line."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from scripts.errors import InvalidInputError, PipelineError
from sources import PROBLEMS, SOURCES, Source

_QUIET_SECONDS = 2.0


def run_cli(main: Callable[..., Any]) -> None:
    """Run one function as a command line, like `run_app`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a Typer app. A PipelineError becomes one line on stderr and exit status 2."""
    logging.basicConfig(level=os.environ.get("PIPELINE_LOG_LEVEL", "WARNING"))
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of follows as an error
    try:
        app()
    except PipelineError as error:
        typer.echo(" ".join(f"error: {error}".split()), err=True)
        raise SystemExit(2) from None


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line on stderr and replaces the previous line."""
    console, started = Console(stderr=True), time.monotonic()
    status = console.status("")

    def show(text: str) -> None:
        if console.is_terminal and time.monotonic() - started >= _QUIET_SECONDS:
            status.update(text)
            status.start()

    try:
        yield show
    finally:
        status.stop()


def source_named(name: str) -> Source:
    """Return the declared source of that name. Raises InvalidInputError that lists the names."""
    try:
        return SOURCES[name]
    except KeyError:
        known = ", ".join(sorted(SOURCES))
        unusable = "".join(f". {problem}" for problem in PROBLEMS.values())
        raise InvalidInputError(
            f"no source is called {name!r}; declared: {known}{unusable}"
        ) from None


def print_rows(rows: Sequence[Mapping[str, Any]], nothing: str) -> None:
    """Print rows as a table in a terminal, or as JSON in a pipe. No rows print `nothing`."""
    if not sys.stdout.isatty():
        typer.echo(b"[" + b",\n".join(map(msgspec.json.encode, rows)) + b"]")
        return
    if not rows:
        typer.echo(nothing)
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    Console().print(table, markup=False)


def _cell(value: Any) -> str:
    """Return the value as text that cannot control a terminal."""
    if value is None:
        return ""
    text = f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
