"""Every alert links to its section of the run book, and every section has the required parts."""

import re
from pathlib import Path

import pytest

from scripts.alerts.incident import Kind
from scripts.alerts.messages import runbook_link
from scripts.settings import Deployment

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_PARTS = ("What it means", "How to look", "How to mend", "How to see that it is mended")


def _sections() -> dict[str, str]:
    """Return the sections by anchor, as GitHub generates it: lower case, hyphens for spaces."""
    text = (_ROOT / Deployment().runbook_url).read_text()
    _, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    parted = (section.split("\n", 1) for section in sections)
    return {"-".join(title.lower().split()): body for title, body in parted}


@pytest.mark.parametrize("kind", Kind)
def test_the_link_of_every_class_resolves_to_a_whole_section(kind: Kind) -> None:
    file, anchor = runbook_link(Deployment(), kind).split("#")
    assert (_ROOT / file).is_file()
    for part in _PARTS:
        assert f"**{part}.**" in _sections()[anchor]


def test_no_section_is_about_nothing() -> None:
    assert list(_sections()) == [kind.value for kind in Kind]
