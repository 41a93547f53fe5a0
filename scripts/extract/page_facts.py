"""What a page says about the whole list. Invariant: an incomplete list is refused."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from scripts.errors import InvalidDataError, ShiftedListError
from scripts.extract.envelope import value_at
from scripts.extract.link_header import parse_links
from sources import Source
from sources.declaration import Api
from sources.declaration.paths import Path, shown_path

_MAX_ERROR = 300
_TOTAL_HEADERS = ("X-Total-Count", "X-Total", "Total")
_RANGE_TOTAL = re.compile(r"(?!bytes)\w+ .*/(\d+)")
# Names of fields outside the records that name a next page, without signs and in lower case.
_NEXT = r"(odata)?next(page|link|url|uri|href|token|cursor|offset|start|marker|records)*"
# With these an API names the next page, or repeats the name of this one.
_CURSOR = r"offset|cursor|after|marker|continuation(token)?|pagetoken|scrollid"
_HAS_MORE = re.compile(r"has(more|next)(page|pages|items|results|records)?|moreresults")


@dataclass(frozen=True)
class PageFacts:
    """What one whole page says, and how many records came so far.

    Attributes:
        url: where the page came from, after redirects.
        headers: its headers, whose names ignore case.
        skeleton: the parsed answer without its records.
        rows: its number of records.
        edges: its first and last record, or nothing.
        pages: how many pages came, with this one.
        all_rows: how many records came, with those of this page.
        total: how many records the list has, if this page or an earlier one says it.
        is_empty_status: whether its status meant an empty list, so that it says nothing else.
    """

    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    skeleton: Any = None
    rows: int = 0
    edges: tuple[bytes, ...] = ()
    pages: int = 0
    all_rows: int = 0
    total: int | None = None
    is_empty_status: bool = False


def check_success(api: Api, skeleton: Any) -> None:
    """Raise InvalidDataError if an answer with status 200 says that it is an error."""
    error = None if api.error_path is None else value_at(skeleton, api.error_path)
    is_failure = api.success_path is not None and value_at(skeleton, api.success_path) is not True
    if error or is_failure:
        found = error or skeleton
        text = found if isinstance(found, str) else msgspec.json.encode(found).decode()
        raise InvalidDataError(f"the API answers with an error: {text[:_MAX_ERROR]}")


def linked(page: PageFacts, relation: str) -> str | None:
    """Return the target of the link with a relation, in the header ``Link``."""
    links = parse_links(page.headers.get("Link", ""))
    targets = {link.target for link in links if relation.lower() in link.relations}
    if len(targets) > 1:
        raise InvalidDataError(f"the header Link names {len(targets)} pages as {relation!r}")
    return targets.pop() if targets else None


def number_at(value: Any, path: Path) -> int:
    """Return the integer at a path. Raises InvalidDataError for anything else."""
    found = value_at(value, path)
    try:
        return int(found)
    except (TypeError, ValueError):
        raise InvalidDataError(
            f"expected a number at {shown_path(path)}, got {found!r:.100}"
        ) from None


def total_of(source: Source, page: PageFacts) -> int | None:
    """Return how many records the list has, if the answer says it."""
    if source.total_path is not None:
        return number_at(page.skeleton, source.total_path)
    totals = [page.headers.get(name, "").strip() for name in _TOTAL_HEADERS]
    if found := _RANGE_TOTAL.fullmatch(page.headers.get("Content-Range", "").strip()):
        totals.append(found[1])
    return next((int(text) for text in totals if text.isdecimal()), None)


def with_total(source: Source, page: PageFacts) -> PageFacts:
    """Return the facts with the total. Raises ShiftedListError if an earlier page said another."""
    total = total_of(source, page)
    if total is None or total == page.total:
        return page
    if page.total is not None:
        raise ShiftedListError(
            f"the total changed from {page.total} to {total} while the pages were fetched"
        )
    return replace(page, total=total)


def check_end(page: PageFacts, *, is_only: bool) -> None:
    """Raise InvalidDataError if the last page says that it is not the last one.

    `is_only` means that the declared paginator asks for one page, so any cursor is one too many.
    """
    if page.total is not None and page.total != page.all_rows:
        raise InvalidDataError(
            f"the answer says that the list has {page.total} records, but {page.all_rows} came. "
            "Declare a paginator that reaches every page"
        )
    if not page.rows:
        return
    hint = "the header Link" if linked(page, "next") else None
    if page.headers.get("X-Next-Page", "").strip():
        hint = "the header X-Next-Page"
    names = f"{_NEXT}|{_CURSOR}" if is_only else _NEXT
    hint = hint or next(_hints(page.skeleton, (), names), None)
    if hint:
        raise InvalidDataError(
            f"{hint} names a next page that the declared paginator does not follow"
        )


def _hints(value: Any, path: tuple[str, ...], names: str) -> Iterator[str]:
    """Yield the places outside the records that seem to name a next page."""
    if isinstance(value, list):
        for item in value:
            yield from _hints(item, (*path, "*"), names)
    for name, inner in value.items() if isinstance(value, dict) else ():
        plain = re.sub(r"[^a-z]", "", name.lower())
        names_next = re.fullmatch(names, plain) and _has_text(inner)
        if names_next or (_HAS_MORE.fullmatch(plain) and inner is True):
            yield f"field {shown_path((*path, name))}"
        yield from _hints(inner, (*path, name), names)


def _has_text(value: Any) -> bool:
    """Return whether a value is or contains a text that is not empty, or a number."""
    if isinstance(value, dict):
        return any(map(_has_text, value.values()))
    if isinstance(value, str):
        return value not in {"", "0"}
    return isinstance(value, int) and value > 0 and not isinstance(value, bool)
