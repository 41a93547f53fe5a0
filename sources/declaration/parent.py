"""The parent of a source: the other list whose records its requests name.

A placeholder such as ``{parent.order_id}`` in `path`, `params` or `json` stands for a value of the
parent's record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paths import Path, check_path

if TYPE_CHECKING:
    from sources.declaration.source import Source

PREFIX = "{parent."
_PLACEHOLDER = re.compile(r"\{parent\.([^{}]*)\}")
_MAX_CONCURRENCY = 32

Values = Mapping[str, str | int]


@dataclass(frozen=True)
class Parent:
    """The list to ask for the children of, one record at a time, as it has landed on the same day.

    Attributes:
        source: the parent. It belongs to the same API.
        fields: names for places in its records, such as ``{"order_id": "id"}``. The values are
            texts or integers. Each record of the child gets them as its field ``_parent``.
        on_missing: of a parent whose list answers 404, ``refuse`` the day or ``skip`` that parent.
        concurrency: how many lists are fetched at the same time.
    """

    source: Source
    fields: Mapping[str, Path]
    on_missing: Literal["refuse", "skip"] = "refuse"
    concurrency: int = 4

    def __post_init__(self) -> None:
        if not isinstance(self.fields, Mapping) or not self.fields:
            raise DeclarationError(
                "parent.fields", f'expected names such as {{"order_id": "id"}}, got {self.fields!r}'
            )
        for name, path in self.fields.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise DeclarationError("parent.fields", f"expected a plain name, got {name!r}")
            check_path(f"parent.fields.{name}", path or ("",))
        if self.on_missing not in ("refuse", "skip"):
            raise DeclarationError(
                "parent.on_missing", f"expected refuse or skip, got {self.on_missing!r}"
            )
        if self.concurrency not in range(1, _MAX_CONCURRENCY + 1):
            raise DeclarationError(
                "parent.concurrency", f"expected 1 to {_MAX_CONCURRENCY}, got {self.concurrency!r}"
            )


def named_fields(place: str, text: str, parent: Parent | None) -> set[str]:
    """Return which fields of the parent a text names. Raises DeclarationError for unknown ones."""
    named = set(_PLACEHOLDER.findall(text))
    known = parent.fields if parent else {}
    if unknown := named - known.keys():
        has = f"fields has {', '.join(known)}" if parent else "that needs parent=Parent(...)"
        raise DeclarationError(place, f"{PREFIX}{unknown.pop()}}}: {has}")
    return named


def filled(text: str, values: Values) -> str | int:
    """Return a text with its placeholders filled. An integer stays one if it stands alone."""
    if whole := _PLACEHOLDER.fullmatch(text):
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)


def filled_url(url: str, values: Values) -> str:
    """Return a URL with its placeholders filled, percent-encoded: no value can add a segment."""
    return _PLACEHOLDER.sub(lambda found: quote(str(values[found[1]]), safe=""), url)
