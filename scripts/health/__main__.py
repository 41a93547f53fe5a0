"""The health of the pipeline in a terminal, with the same facts as the health page.

Exit status: 1 if the verdict is red, 2 if the health cannot be determined, otherwise 0.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from scripts.cli import run_cli
from scripts.health.facts import State
from scripts.health.terminal import show
from scripts.health.verdict import read_health
from scripts.settings import deployment, run_settings_from_env, warehouse_dsn_from_env


def main(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the health of the pipeline and the reasons. Exit 1 if the verdict is red."""
    health = read_health(
        warehouse_dsn_from_env(), run_settings_from_env(), deployment(), datetime.now(UTC)
    )
    if as_json:
        typer.echo(msgspec.json.encode(health))
    else:
        show(health, Console())
    if health.state is State.RED:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
