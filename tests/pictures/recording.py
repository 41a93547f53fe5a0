"""`make run` as an animated SVG: its lines as they came, then the health page.

``python -m tests.pictures.recording`` writes it. A browser shows it without a script, as a picture.
"""

import os
import re
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from local.state import ROOT
from scripts.cli import run_cli
from scripts.errors import ConfigurationError
from tests.chromium import MISSING, browser_at, chromium
from tests.pictures.shot import FOLDER, MOST_BYTES

_COLUMNS, _ROWS, _LINE, _MARGIN, _WIDTH = 116, 30, 17, 20, 900
_LENGTH, _PAGE_FROM = 15.0, 11.0  # seconds of the recording, and when it shows the page
_LINES_UNTIL = 9.0
_STYLE = """
text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }
.lines, .page { animation: %(length)ss step-end infinite scroll }
.page { animation-name: page }
@media (prefers-reduced-motion: reduce) { .lines, .page { animation-play-state: paused } }
@keyframes page { 0%% { opacity: 0 } %(page).2f%% { opacity: 1 } }
@keyframes scroll { %(scroll)s}
"""
_PASSWORD = re.compile(r"password \S+")

Lines = Sequence[tuple[float, str]]


def lines_of(command: Sequence[str], env: dict[str, str]) -> Iterator[tuple[float, str]]:
    """Run a command, and yield each line that it prints with the seconds since its start."""
    begun = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            yield time.monotonic() - begun, line.rstrip()
    assert process.returncode == 0, "the command has failed"


def drawn(title: str, lines: Lines, page: bytes) -> str:
    """Return the recording. `page` is a JPEG that it ends with."""
    scale = _LINES_UNTIL / max(seconds for seconds, _ in lines)
    shown = [(0.0, f"$ {title}"), *((seconds * scale, line) for seconds, line in lines)]
    height = 2 * _MARGIN + _LINE * _ROWS
    scroll = "".join(
        f"{100 * seconds / _LENGTH:.2f}% {{ transform: translateY({(_ROWS - number) * _LINE}px) }} "
        for number, (seconds, _) in enumerate(shown, start=1)
    )
    style = _STYLE % {"length": _LENGTH, "page": 100 * _PAGE_FROM / _LENGTH, "scroll": scroll}
    texts = "".join(
        f'<text x="{_MARGIN}" y="{_MARGIN + _LINE * number}">{escape(line)}</text>\n'
        for number, (_, line) in enumerate(shown, start=1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"<title>{escape(title)}, and the health page</title>\n<style>{style}</style>\n"
        f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#0d1117"/>\n'
        f'<g class="lines">\n{texts}</g>\n'
        f'<image class="page" width="{_WIDTH}" height="{height}" '
        'preserveAspectRatio="xMidYMin slice" '
        f'href="data:image/jpeg;base64,{b64encode(page).decode()}"/>\n</svg>\n'
    )


def _smaller(picture: Path) -> bytes:
    """Return a picture as a JPEG of the recording's width."""
    program = chromium()
    if program is None:
        raise ConfigurationError(MISSING)
    url = f"data:image/png;base64,{b64encode(picture.read_bytes()).decode()}"
    with browser_at(program) as browser:
        page = browser.new_page()
        page.set_content(f'<img width="{_WIDTH}" src="{url}">')
        return page.locator("img").screenshot(type="jpeg", quality=75)


def main() -> None:
    """Record `make run` on a new stack, and write docs/pictures/run.svg."""
    with TemporaryDirectory(prefix="elt-recording-") as folder:
        Path(folder).chmod(0o755)
        env = {**os.environ, "PIPELINE_LOCAL_DIR": folder, "COLUMNS": str(_COLUMNS)}
        try:
            lines = [
                (seconds, _PASSWORD.sub("password …", line.replace(folder, ".local")))
                for seconds, line in lines_of(["make", "--silent", "run"], env)
                if not line.endswith(": running")
            ]
        finally:
            subprocess.run(["make", "--silent", "down", "PURGE=1"], cwd=ROOT, env=env, check=True)
    picture = drawn("make run", lines, _smaller(FOLDER / "health-light.png"))
    assert len(picture) <= MOST_BYTES, f"the recording has {len(picture):,} bytes"
    (FOLDER / "run.svg").write_text(picture)


if __name__ == "__main__":
    run_cli(main)
