"""The parts of docs/reliability.md that a command writes."""

from collections.abc import Iterable
from pathlib import Path

from tests.fault.pipeline.census import Census

DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"


def counted(places: Iterable[Census]) -> str:
    """Return the sums over all places in one line."""
    found = list(places)
    names = ("lost", "duplicated", "mixed")
    return " ".join(f"{name}={sum(getattr(place, name) for place in found)}" for name in names)


def rewritten(document: str, name: str, section: str) -> str:
    """Return the document with another text between the marks of a section."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->\n"
    head, _, rest = document.partition(begin)
    return head + begin + section + end + rest.partition(end)[2]
