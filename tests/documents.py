"""The documents of this project: their commands and their links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md"))]
Command = tuple[str, ...]
_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:make|airflow|docker compose|terraform|python -m) [^`…]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def commands(document: Path) -> list[Command]:
    """Return every command of the shell blocks as its words."""
    found = [line for block in _BLOCK.findall(document.read_text()) for line in _lines(block)]
    return list(dict.fromkeys(found))


def commands_within_text(document: Path) -> list[Command]:
    """Return every command that stands as code within the text."""
    text = _FENCED.sub("", document.read_text())
    return list(dict.fromkeys(tuple(shlex.split(code)) for code in _INLINE.findall(text)))


def links(document: Path) -> list[str]:
    """Return the target of every link and picture."""
    return list(dict.fromkeys(_LINK.findall(_FENCED.sub("", document.read_text()))))


def anchors(document: Path) -> set[str]:
    """Return the anchor of every heading, as GitHub makes it."""
    titles = re.findall(r"^#+ (.+)$", _FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


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
