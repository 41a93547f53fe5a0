"""The run book in alerts. Invariant: an operator can read the section of every class."""

import re
from functools import cache
from pathlib import Path

from scripts.alerts.incident import Kind
from scripts.settings import Deployment

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def runbook_url(place: Deployment, kind: Kind) -> str:
    """Return the URL of the section of a class, or "" if the run book has no URL."""
    return f"{place.runbook_url}#{kind.value}" if place.runbook_url else ""


def runbook_section(kind: Kind) -> str:
    """Return the section of a class as plain text, one line per paragraph or step."""
    return _sections().get(kind.value, "This installation has no docs/runbook.md to quote.")


@cache
def _sections() -> dict[str, str]:
    """Return the sections by anchor. Markdown derives the anchor from the heading."""
    text = RUNBOOK.read_text() if RUNBOOK.exists() else ""
    _, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    parts = (section.split("\n", 1) for section in sections)
    return {"-".join(title.lower().split()): _plain(body) for title, body in parts}


def _plain(markdown: str) -> str:
    """Join the lines of each paragraph, and remove bold marks and blank lines."""
    joined = re.sub(r"\n(?!\n|(?:\d+\.|-) )\s*", " ", markdown.strip().replace("**", ""))
    return re.sub(r"\n+", "\n", joined)
