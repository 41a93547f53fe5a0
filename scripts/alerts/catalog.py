"""The alert texts of each class. Invariant: plain text. Inserted data is one short, clean line."""

from pathlib import Path

import msgspec

from scripts.alerts.incident import Kind


class CatalogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one class. ``catalog.toml`` describes them."""

    title: str
    impact: str
    next: str
    severity: str = "error"


_TEXTS = Path(__file__).with_suffix(".toml").read_text()
CATALOG = msgspec.toml.decode(_TEXTS, type=dict[Kind, CatalogEntry])
