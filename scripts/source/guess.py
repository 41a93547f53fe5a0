"""Propose a paginator. Invariant: a proposal counts only if it brought another page."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from scripts.errors import PermanentError
from scripts.extract.page_facts import PageFacts, linked
from scripts.extract.pages import fetch_pages
from scripts.landing.json_array import Batch
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.declaration import (
    cursor,
    header_cursor,
    header_link,
    json_link,
    offset,
    page_number,
    single_page,
)
from sources.declaration.auth import Auth
from sources.declaration.paginators import Paginator
from sources.declaration.paths import Path

_PAGES = 5  # that are asked for to prove a proposal
_NAMES_NEXT = re.compile(r"next|cursor|after|token|offset|continu|marker|scroll", re.IGNORECASE)
_NAMES_MORE = re.compile(r"^has_?(more|next)|more_?results", re.IGNORECASE)
_PARAMS = ("cursor", "after", "page_token", "pageToken", "next_token", "starting_after", "since_id")
_OFFSETS = (("offset", "limit"), ("$offset", "$limit"), ("$skip", "$top"), ("skip", "limit"))


_Text = tuple[tuple[str, ...], str]  # the place and the value of a text


class Proof(NamedTuple):
    """What a paginator brought: pages, records, and whether the list ended."""

    paginator: Paginator
    pages: int
    rows: int
    is_ended: bool


def proven(source: Source, endpoint: Endpoint, day: date, settings: RunSettings) -> Proof | None:
    """Return the first proposal that brings another page, or None if no proposal does.

    A list that ends at its first page proves nothing: then the answer may be all there is.
    """
    first = first_facts(source, endpoint, day, settings)
    for paginator in proposals(first):
        proof = tried(replace(source, paginator=paginator), endpoint, day, settings)
        if proof and proof.pages > 1 and proof.rows > first.rows:
            return proof
    return None


def first_facts(source: Source, endpoint: Endpoint, day: date, settings: RunSettings) -> PageFacts:
    """Fetch the first page, and return what it says."""
    with closing(fetch_pages(endpoint, source, day, settings)) as pages:
        page = next(pages)
        for attempt in page.attempts():
            with attempt:
                for _ in page.records():
                    pass
        return page.facts


def proposals(page: PageFacts) -> Iterator[Paginator]:
    """Yield the paginators that a first page suggests, the strongest sign first."""
    texts = list(_texts(page.skeleton, ()))
    yield from _by_link(page, texts)
    yield from _by_cursor(page, texts)
    yield page_number()
    for first in (0, 1):  # in this order: an API that counts from 0 would lose its first record
        for start, limit in _OFFSETS:
            yield offset(limit=page.rows, offset=first, offset_param=start, limit_param=limit)


def _by_link(page: PageFacts, texts: list[_Text]) -> Iterator[Paginator]:
    if linked(page, "next"):
        yield header_link()
    for place, text in texts:
        if text.startswith(("http://", "https://", "/")):
            yield json_link(_path(place))


def _by_cursor(page: PageFacts, texts: list[_Text]) -> Iterator[Paginator]:
    if page.headers.get("X-Next-Page", ""):
        yield header_cursor("X-Next-Page", "page")
    more = next((_path(place) for place, _ in _flags(page.skeleton, ())), None)
    for place, text in texts:
        if not urlsplit(text).scheme:
            for param in dict.fromkeys([_own_param(place), *_PARAMS]):
                yield cursor(cursor_path=_path(place), cursor_param=param, has_more_path=more)
    if more is not None:
        for param in ("starting_after", "after", "since_id", "cursor"):
            yield cursor(cursor_record_path="id", cursor_param=param, has_more_path=more)


def written(word: Paginator | Auth) -> str:
    """Return a paginator or a login as it is declared, without its defaults."""
    arguments = [
        f"{field.name}={getattr(word, field.name)!r}"
        for field in fields(word)
        if getattr(word, field.name) != field.default
    ]
    return f"{type(word).__name__}({', '.join(arguments)})".replace("'", '"')


def tried(source: Source, endpoint: Endpoint, day: date, settings: RunSettings) -> Proof | None:
    """Fetch some pages. Return None if they are refused."""
    pages = rows = 0
    try:
        with closing(fetch_pages(endpoint, source, day, settings)) as found:
            for page in found:
                for attempt in page.attempts():
                    with attempt:
                        batches = [len(b.records) for b in page.records() if isinstance(b, Batch)]
                pages, rows = pages + 1, rows + sum(batches)
                if pages == _PAGES:
                    return Proof(source.pages, pages, rows, is_ended=False)
    except PermanentError:
        return None
    return Proof(source.pages, pages, rows, is_ended=True)


def _texts(value: Any, place: tuple[str, ...]) -> Iterator[_Text]:
    for name, inner in value.items() if isinstance(value, dict) else ():
        is_text = isinstance(inner, str | int) and not isinstance(inner, bool)
        if is_text and inner != "" and any(map(_NAMES_NEXT.search, (*place, name))):
            yield (*place, name), str(inner)
        yield from _texts(inner, (*place, name))


def _flags(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, bool) and _NAMES_MORE.search(name):
            yield (*place, name), inner
        yield from _flags(inner, (*place, name))


def _own_param(place: tuple[str, ...]) -> str:
    """Return the name of the field without what says that it belongs to the next page."""
    return re.sub(r"^next_?", "", place[-1], flags=re.IGNORECASE) or place[-1]


def _path(place: tuple[str, ...]) -> Path:
    return place if any("." in name for name in place) else ".".join(place)


SINGLE = single_page()
