"""Every class of alert has a section in the run book, and every section has its parts."""

import pytest

from scripts.alerts.incident import Kind
from scripts.alerts.runbook import RUNBOOK, _sections, runbook_section

pytestmark = pytest.mark.unit

_PARTS = ("What it means", "Check", "Fix", "Verify")


@pytest.mark.parametrize("kind", Kind)
def test_every_class_has_a_complete_section(kind: Kind) -> None:
    for part in _PARTS:
        assert f"{part}." in runbook_section(kind)


def test_every_section_belongs_to_a_class() -> None:
    assert list(_sections()) == [kind.value for kind in Kind]
    assert RUNBOOK.read_text().count("\n## ") == len(Kind)
