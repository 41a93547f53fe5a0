"""What every command line of ours shares: exit 0 or 2, and one clear line for what went wrong."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.status import Status

from scripts.errors import InvalidInputError, PipelineError
from sources import SOURCES, Source

_QUIET_SECONDS = 2.0


def run_cli(main: Callable[..., Any]) -> None:
    """Run one function as a command line, like `run_app`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a Typer app. A PipelineError becomes one line on stderr and exit status 2."""
    logging.basicConfig(level=os.environ.get("PIPELINE_LOG_LEVEL", "WARNING"))
    try:
        app()
    except PipelineError as error:
        typer.echo(" ".join(f"error: {error}".split()), err=True)
        raise SystemExit(2) from None


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line on stderr in the place of the line before."""
    console, started = Console(stderr=True), time.monotonic()
    with ExitStack() as stack:
        status: Status | None = None

        def show(text: str) -> None:
            nonlocal status
            if not console.is_terminal or time.monotonic() - started < _QUIET_SECONDS:
                return
            status = status or stack.enter_context(console.status(""))
            status.update(text)

        yield show


def source_named(name: str) -> Source:
    """Return the declared source of that name. Raises InvalidInputError that lists the names."""
    try:
        return SOURCES[name]
    except KeyError:
        known = ", ".join(sorted(SOURCES))
        raise InvalidInputError(f"no source is called {name!r}; declared: {known}") from None
