"""The documents of this project: their commands and their links, and make as they use it."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md"))]
_SET_UP = (
    ".venv/.installed",
    "dbt/target/manifest.json",
    ".tools/checkov/.installed",
    ".tools/cloud/.installed",
)
Command = tuple[str, ...]
_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:make|airflow|docker compose|terraform|python -m) [^`…]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def commands(document: Path) -> list[Command]:
    """Return every command of the shell blocks as its words."""
    found = [line for block in _BLOCK.findall(document.read_text()) for line in _lines(block)]
    return list(dict.fromkeys(found))


def commands_of_readme() -> list[Command]:
    """Return the README's, also those that stand as code within its text."""
    inline = _INLINE.findall(_FENCED.sub("", README.read_text()))
    return list(dict.fromkeys([*commands(README), *(tuple(shlex.split(code)) for code in inline)]))


def links(document: Path) -> list[str]:
    """Return the target of every link and picture."""
    return list(dict.fromkeys(_LINK.findall(_FENCED.sub("", document.read_text()))))


def anchors(document: Path) -> set[str]:
    """Return the anchor of every heading, as GitHub makes it."""
    titles = re.findall(r"^#+ (.+)$", _FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as if everything were set up, and not within another make."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    place = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIPELINE_LOCAL_DIR": str(folder / "state"),
    }
    return subprocess.run(
        ["make", *(f"--assume-old={name}" for name in _SET_UP), *arguments],
        cwd=folder,
        env=outside | place,
        capture_output=True,
        text=True,
        check=False,
    )


def _lines(block: str) -> Iterator[Command]:
    """Yield the commands of a block: a quoted text may go on in the next line."""
    pending = ""
    for line in block.replace("\\\n", " ").splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # no closing quotation yet
            continue
        pending = ""
        if words:
            yield tuple(words)
    assert not pending, pending
