"""What every command line of ours shares: exit 0 or 2, and one clear line for what went wrong."""

import logging
import os
from collections.abc import Callable
from typing import Any

import typer

from scripts.errors import PipelineError


def run_cli(main: Callable[..., Any]) -> None:
    """Run one function as a command line; see `run_app`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Run a Typer app; a PipelineError becomes one line on stderr and exit status 2."""
    logging.basicConfig(level=os.environ.get("PIPELINE_LOG_LEVEL", "WARNING"))
    try:
        app()
    except PipelineError as error:
        typer.echo(" ".join(f"error: {error}".split()), err=True)
        raise SystemExit(2) from None
