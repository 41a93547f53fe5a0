"""How the pages of a list follow each other. The names are those of dlt, and of Airbyte for others.

A declaration says where the next page is named. `scripts.extract.paging` follows it. The end must
be said: by a next link or cursor that is null, empty or absent, by ``has_more: false``, by the
total, or by an empty page. A short page is not an end.
"""

from dataclasses import dataclass

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paths import Path, check_path


@dataclass(frozen=True)
class single_page:
    """The answer is the whole list. It is refused if it names a next page or a larger total."""


@dataclass(frozen=True)
class header_link:
    """The header ``Link`` names the next page, as in RFC 8288 (GitHub, GitLab, Shopify).

    Attributes:
        links_next_key: the relation of the link to the next page.
    """

    links_next_key: str = "next"


@dataclass(frozen=True)
class json_link:
    """A field of the answer is the URL of the next page (PokeAPI, Salesforce).

    Attributes:
        next_url_path: the place of the URL.
    """

    next_url_path: Path

    def __post_init__(self) -> None:
        check_path("paginator.next_url_path", self.next_url_path)


@dataclass(frozen=True)
class header_cursor:
    """A header of the answer is a parameter of the next request (GitLab's ``X-Next-Page``).

    Attributes:
        cursor_key: the name of the header.
        cursor_param: the query parameter that takes its value.
    """

    cursor_key: str
    cursor_param: str


@dataclass(frozen=True)
class cursor:
    """A field of the answer, or of its last record, is a parameter of the next request.

    Attributes:
        cursor_path: the place of the cursor in the answer (Slack, HubSpot, Notion).
        cursor_record_path: instead, its place in the last record of the page (Stripe).
        cursor_param: the query parameter that takes it, or
        cursor_body_path: its place in the JSON body of the request.
        has_more_path: the place of a boolean that says whether a page follows.
    """

    cursor_path: Path | None = None
    cursor_param: str | None = None
    cursor_record_path: Path | None = None
    cursor_body_path: Path | None = None
    has_more_path: Path | None = None

    def __post_init__(self) -> None:
        _one_of(self, "cursor_path", "cursor_record_path")
        _one_of(self, "cursor_param", "cursor_body_path")
        for name in ("cursor_path", "cursor_record_path", "cursor_body_path", "has_more_path"):
            check_path(f"paginator.{name}", getattr(self, name))


@dataclass(frozen=True)
class offset:
    """The request names the position of its first record.

    Attributes:
        limit: how many records to ask for. The next offset counts the records that came.
        offset: the position of the first record: 0, or 1 for some APIs.
        offset_param: the query parameter of the position. None: it is in the body.
        limit_param: the query parameter of the limit. None: it is not sent.
        offset_body_path: the place of the position in the JSON body of the request.
        limit_body_path: the place of the limit there.
        has_more_path: the place of a boolean that says whether a page follows.
    """

    limit: int
    offset: int = 0
    offset_param: str | None = "offset"
    limit_param: str | None = "limit"
    offset_body_path: Path | None = None
    limit_body_path: Path | None = None
    has_more_path: Path | None = None

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise DeclarationError("paginator.limit", f"expected at least 1, got {self.limit}")
        if self.offset_body_path is None and self.offset_param is None:
            raise DeclarationError("paginator", "expected an offset_param or an offset_body_path")
        for name in ("offset_body_path", "limit_body_path", "has_more_path"):
            check_path(f"paginator.{name}", getattr(self, name))


@dataclass(frozen=True)
class page_number:
    """The request names the number of its page.

    Attributes:
        base_page: the number of the first page: 0, or 1 for most APIs.
        page_param: the query parameter of the number. None: it is in the body.
        page_body_path: the place of the number in the JSON body of the request.
        total_pages_path: the place of the number of pages in the answer.
        has_more_path: the place of a boolean that says whether a page follows.
    """

    base_page: int = 1
    page_param: str | None = "page"
    page_body_path: Path | None = None
    total_pages_path: Path | None = None
    has_more_path: Path | None = None

    def __post_init__(self) -> None:
        if self.page_body_path is None and self.page_param is None:
            raise DeclarationError("paginator", "expected a page_param or a page_body_path")
        for name in ("page_body_path", "total_pages_path", "has_more_path"):
            check_path(f"paginator.{name}", getattr(self, name))


Paginator = single_page | header_link | json_link | header_cursor | cursor | offset | page_number


def _one_of(paginator: object, *names: str) -> None:
    if sum(getattr(paginator, name) is not None for name in names) != 1:
        raise DeclarationError("paginator", f"expected exactly one of {' and '.join(names)}")
