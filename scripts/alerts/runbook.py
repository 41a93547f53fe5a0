"""The run book as alerts refer to it. Invariant: an operator can read the section of each class.

Where PIPELINE_RUNBOOK_URL is set, an alert links to it. Otherwise the alert contains the section.
"""

import re
from functools import cache
from pathlib import Path

from scripts.alerts.incident import Kind
from scripts.settings import Deployment

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def runbook_url(place: Deployment, kind: Kind) -> str:
    """Return the URL of a class's section, or an empty text where the run book has no URL."""
    return f"{place.runbook_url}#{kind.value}" if place.runbook_url else ""


def runbook_section(kind: Kind) -> str:
    """Return a class's section as plain text: one line a paragraph or a step."""
    return _sections().get(kind.value, "This installation has no docs/runbook.md to quote.")


@cache
def _sections() -> dict[str, str]:
    """Return the sections by their anchor, as Markdown makes it from the heading."""
    text = RUNBOOK.read_text() if RUNBOOK.exists() else ""
    _, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    parted = (section.split("\n", 1) for section in sections)
    return {"-".join(title.lower().split()): _plain(body) for title, body in parted}


def _plain(markdown: str) -> str:
    """Join the lines of each paragraph, and drop the marks of bold text and blank lines."""
    joined = re.sub(r"\n(?!\n|(?:\d+\.|-) )\s*", " ", markdown.strip().replace("**", ""))
    return re.sub(r"\n+", "\n", joined)
