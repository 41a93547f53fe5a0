"""The texts of each class of incident are complete, and never change how data is shown."""

import string

import pytest

from scripts.alerts.catalog import CATALOG
from scripts.alerts.incident import Kind

pytestmark = pytest.mark.unit


def test_every_class_has_texts() -> None:
    assert set(CATALOG) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_the_texts_of_a_class(kind: Kind) -> None:
    entry = CATALOG[kind]
    fields = [name for _, name, _, _ in string.Formatter().parse(entry.title) if name is not None]
    assert fields == ["subject"]
    assert entry.severity in {"error", "warning"}
    for text in (entry.impact, entry.next):
        assert text.endswith(".")
        assert "\n" not in text
        assert "{" not in text
