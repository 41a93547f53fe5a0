"""Draw the pictures of README.md and docs/: ``python -m tests.pictures``, or ``make pictures``.

A separate local stack gets a month of history, and a real Chromium takes the pictures. Install the
fonts Noto Color Emoji and Liberation Sans, so that emoji and text look correct.
"""

import time

import typer

from scripts.cli import run_cli
from scripts.errors import ConfigurationError
from tests.chromium import MISSING, browser_at, chromium
from tests.pictures.airflow_pages import draw_assets, draw_graph, draw_health
from tests.pictures.life import lived_in_stack
from tests.pictures.messages import draw_messages
from tests.pictures.shot import FOLDER


def main() -> None:
    """Draw every picture again. This takes about four minutes."""
    begun = time.monotonic()

    def report(line: str) -> None:
        typer.echo(f"{time.monotonic() - begun:4.0f} s  {line}")

    program = chromium()
    if program is None:
        raise ConfigurationError(MISSING)
    FOLDER.mkdir(exist_ok=True)
    with browser_at(program) as browser:
        report("drawing a mail and a Slack message")
        draw_messages(browser)
        with lived_in_stack(report) as (stack, run_id):
            report("drawing Airflow's graph and assets")
            draw_graph(browser, stack, run_id)
            draw_assets(browser, stack)
            report("drawing the health page")
            draw_health(browser, stack)
    for file in sorted(FOLDER.iterdir()):
        typer.echo(f"{file.stat().st_size:9,}  {file.relative_to(FOLDER.parents[1])}")


if __name__ == "__main__":
    run_cli(main)
