"""Which request follows an answer. Invariant: the end of a list is said, never assumed.

A null, empty or absent next link or cursor is an end, as are ``has_more: false``, the total, and an
empty page. A short page is not. After the end, an answer that still names a next page, or whose
total differs from the records that came, is refused.
"""

from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import msgspec

from scripts.errors import InvalidDataError
from scripts.extract.envelope import value_at
from scripts.extract.page_facts import PageFacts, check_end, linked, number_at
from scripts.extract.request import Request, encoded, filled, with_value
from scripts.extract.urls import followed, params_of, with_params
from sources import Source
from sources.declaration import Window
from sources.declaration import paginators as kinds
from sources.declaration.day import Bounds
from sources.declaration.parent import Values, filled_url
from sources.declaration.parent import filled as of_parent
from sources.declaration.paths import Path, shown_path


def first_request(
    source: Source,
    url: str,
    day: date,
    parent: Values | None = None,
    bounds: Bounds | None = None,
) -> Request:
    """Return the first request of a list below its URL, with all declared parameters.

    `parent` has the values that the request names, if the source has one. `bounds` are a part of
    the day, if not all of it is asked for.
    """
    params, body = {**source.api.params, **source.params}, source.json
    if isinstance(source.day, Window):
        bounds = bounds or source.day.bounds(day)
        fill = partial(source.day.filled, bounds=bounds)
        params, body = filled(params, fill), filled(body, fill)
        url = source.day.filled_url(url, bounds)
        params |= source.day.params(bounds)
    if parent is not None:  # last, so that no value of it is taken for a placeholder
        fill = partial(of_parent, values=parent)
        url, params, body = filled_url(url, parent), filled(params, fill), filled(body, fill)
    return _positioned(
        source.pages, Request(source.method, with_params(url, params), encoded(body)), 0, 0
    )


def next_request(source: Source, first: Request, page: PageFacts) -> Request | None:
    """Return the request of the next page, or None at the end.

    Raises:
        InvalidDataError: the page does not say whether there is a next one, or it says that there
            is one that the paginator cannot reach, or another total.
    """
    if page.is_empty_status:
        return None
    following = _following(source, first, page)
    if following is None:
        check_end(page, is_only=isinstance(source.pages, kinds.single_page))
    return following


def _following(source: Source, first: Request, page: PageFacts) -> Request | None:
    match source.pages:
        case kinds.header_link(relation):
            return _at_link(source, first, page, linked(page, relation))
        case kinds.json_link(path):
            return _at_link(source, first, page, _text_at(page.skeleton, path))
        case kinds.header_cursor(name, param):
            value = page.headers.get(name, "")
            return with_value(first, param, None, value) if value else None
        case kinds.cursor() as kind:
            return _after_cursor(kind, first, page)
        case kinds.offset() | kinds.page_number() as kind:
            if _is_more(kind, page):
                return _positioned(kind, first, page.pages, page.all_rows)
    return None


def _is_more(kind: kinds.offset | kinds.page_number, page: PageFacts) -> bool:
    """Return whether to ask for another page: not after an empty page, or all of the total."""
    if page.rows == 0 or (page.total is not None and page.all_rows >= page.total):
        return False
    if isinstance(kind, kinds.page_number) and kind.total_pages_path is not None:
        return page.pages < number_at(page.skeleton, kind.total_pages_path)
    return kind.has_more_path is None or _has_more(page, kind.has_more_path)


def _has_more(page: PageFacts, path: Path) -> bool:
    value = value_at(page.skeleton, path)
    if not isinstance(value, bool):
        raise InvalidDataError(f"expected true or false at {shown_path(path)}, got {value!r:.100}")
    return value


def _after_cursor(kind: kinds.cursor, first: Request, page: PageFacts) -> Request | None:
    is_more = kind.has_more_path is None or _has_more(page, kind.has_more_path)
    if kind.cursor_path is not None:
        value = _text_at(page.skeleton, kind.cursor_path)
    elif page.edges:
        record = msgspec.json.decode(page.edges[-1])
        value = _text_at(record, kind.cursor_record_path or "")
        if not value:
            raise InvalidDataError(f"the last record has no {kind.cursor_record_path!r} to go on")
    else:
        value = ""
    if is_more and not value and kind.has_more_path is not None:
        raise InvalidDataError("the answer says that a page follows, but has no cursor")
    if not (is_more and value):
        return None
    return with_value(first, kind.cursor_param, kind.cursor_body_path, value)


def _at_link(source: Source, first: Request, page: PageFacts, link: str | None) -> Request | None:
    """Return the request of a link, with the declared parameters that the link leaves out."""
    if not link:
        return None
    url = followed(page.url, link)
    missing = source.param_names - params_of(url).keys()
    given = params_of(first.url).items()
    return replace(first, url=with_params(url, {k: v for k, v in given if k in missing}))


def _positioned(paginator: kinds.Paginator, first: Request, pages: int, rows: int) -> Request:
    """Return a request with the position of a page. Others than these two have none."""
    match paginator:
        case kinds.offset() as kind:
            sized = with_value(first, kind.limit_param, kind.limit_body_path, kind.limit)
            start = kind.offset + rows
            return with_value(sized, kind.offset_param, kind.offset_body_path, start)
        case kinds.page_number() as kind:
            number = kind.base_page + pages
            return with_value(first, kind.page_param, kind.page_body_path, number)
    return first


def _text_at(value: Any, path: Path) -> str:
    """Return a cursor or link as text, empty if it is null, absent or empty."""
    found = value_at(value, path)
    if found is None or found is False:
        return ""
    if isinstance(found, str | int) and not isinstance(found, bool):
        return str(found)
    raise InvalidDataError(f"expected a text or a number at {shown_path(path)}, got {found!r:.100}")
