"""The pages of a list. Invariant: a page is read to its announced end, or an error says why.

One loop retries a whole page, from its request on, after any transient fault. It is not urllib3's
`Retry`, which sees neither a body that breaks off nor the deadline over all pages. The two together
would multiply their retries.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date

import requests
from tenacity import AttemptManager

from scripts.errors import InvalidDataError, PermanentError, UnavailableError
from scripts.extract.answers import Found, open_answer
from scripts.extract.budget import Budget
from scripts.extract.gunzip import gunzipped
from scripts.extract.http_client import Client, TransientError, is_framed
from scripts.extract.page_facts import PageFacts, check_success, with_total
from scripts.extract.paging import first_request, next_request
from scripts.extract.request import Request
from scripts.extract.urls import list_url, shown
from scripts.landing.json_array import Batch
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.declaration.day import Bounds
from sources.declaration.parent import Values

_NO_CONTENT = 204


@dataclass(frozen=True)
class Position:
    """A place between two pages: the next request, and what the pages before it have said."""

    request: Request
    pages: int
    all_rows: int
    total: int | None

    @classmethod
    def behind(cls, page: "Page") -> "Position | None":
        """Return the place behind a page that was read, or None at the end of the list."""
        request, facts = page.following(), page.facts
        return cls(request, facts.pages, facts.all_rows, facts.total) if request else None

    def facts(self) -> PageFacts:
        """Return what the pages before have said."""
        return PageFacts(pages=self.pages, all_rows=self.all_rows, total=self.total)


class Page:
    """One page of a list. Once its records are read, `facts` has what else the answer says."""

    def __init__(
        self, source: Source, first: Request, request: Request, client: Client, before: PageFacts
    ) -> None:
        self.facts = before
        self._source = source
        self._first = first
        self._request = request
        self._client = client
        self._before = before
        self._position = 0

    @property
    def shown_url(self) -> str:
        """The URL for messages, without secrets."""
        return shown(self._request.url)

    def attempts(self) -> Iterator[AttemptManager]:
        """Yield a context for each try, until one succeeds. Read `records` to the end inside it.

        Raises:
            PermanentError: the answer would be the same again, or the reader refused it.
            UnavailableError: no whole answer after all retries, or within the total deadline.
        """
        retrying = self._client.retrying()
        try:
            yield from retrying
        except PermanentError as error:
            raise type(error)(f"{self.shown_url}: {error}") from None
        except UnavailableError as error:
            count = retrying.statistics["attempt_number"]
            tail = f" (tries: {count})" if isinstance(error, TransientError) else ""
            raise UnavailableError(f"{self.shown_url}: {error}{tail}") from None

    def records(self) -> Generator[Found]:
        """Request the page, and yield its records from the first one."""
        source, before = self._source, self._before
        allows_empty = source.accepts_empty_answer
        empty_statuses = (*source.empty_statuses, _NO_CONTENT) if allows_empty else ()
        with self._client.open(self._request, empty_statuses) as (url, response):
            facts = replace(before, url=url, headers=response.headers, pages=before.pages + 1)
            if response.status_code in empty_statuses:
                self.facts = replace(facts, rows=0, is_empty_status=True)
                return
            answer = open_answer(
                source, self._blocks(response), self._client.settings.max_record_bytes
            )
            rows, first, last = 0, b"", b""
            for found in answer.records():
                rows += len(found.records) if isinstance(found, Batch) else 1
                start, end = _edges(found)
                first, last = first or start, end
                yield found
            check_success(source.api, answer.skeleton)
            answer.check_found(allows_empty=allows_empty)
        if rows and (rows, (first, last)) == (before.rows, before.edges):
            raise InvalidDataError(
                "the same records as the page before: the API ignores the parameters of the page"
            )
        edges = (first, last) if rows else ()
        facts = replace(facts, skeleton=answer.skeleton, rows=rows, edges=edges)
        self.facts = with_total(source, replace(facts, all_rows=before.all_rows + rows))

    def whole(self) -> tuple[str, bytes]:
        """Return content type and body, for a first look at an API. It must be small."""
        limit = self._client.settings.max_record_bytes
        body = b""
        for attempt in self.attempts():
            with attempt, self._client.open(self._request) as (_, response):
                body = b""
                for block in gunzipped(self._blocks(response)):
                    body += block
                    if len(body) > limit:
                        raise InvalidDataError(f"larger than {limit} bytes (max_record_bytes)")
                content_type = response.headers.get("Content-Type", "")
        return content_type, body

    def following(self) -> Request | None:
        """Return the request of the next page, or None at the end of the list."""
        try:
            return next_request(self._source, self._first, self.facts)
        except PermanentError as error:
            raise type(error)(f"{self.shown_url}: {error}") from None

    def _blocks(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the decoded body in blocks."""
        self._client.budget.count(-self._position)  # of the try before
        self._position = 0
        if self._source.format != "json" and not is_framed(response):
            raise InvalidDataError(
                f"a {self._source.format} answer without Content-Length or chunked framing: it "
                "would look complete if the connection broke off"
            )
        while block := self._client.read(response, self._position):
            self._position += len(block)
            yield block


def _edges(found: Found) -> tuple[bytes, bytes]:
    """Return the first and the last record."""
    if isinstance(found, Batch):
        return bytes(found.records[0]), bytes(found.records[-1])
    return found.head, found.head


def fetch_pages(
    endpoint: Endpoint,
    source: Source,
    day: date,
    settings: RunSettings,
    parent: Values | None = None,
    *,
    bounds: Bounds | None = None,
    after: Position | None = None,
) -> Generator[Page]:
    """Yield the pages of a source's list for a day, as `list_pages` does, with their own client."""
    budget = Budget(settings, source.api)
    with closing(open_client(endpoint, source, settings, budget)) as client:
        yield from list_pages(client, endpoint, source, day, parent, bounds=bounds, after=after)


def open_client(
    endpoint: Endpoint, source: Source, settings: RunSettings, budget: Budget
) -> Client:
    """Return a client of the API, with the login that is in its base URL if there is one."""
    _, login = list_url(endpoint.url, source.path)
    return Client(settings, source, replace(endpoint, login=endpoint.login or login), budget)


def list_pages(
    client: Client,
    endpoint: Endpoint,
    source: Source,
    day: date,
    parent: Values | None = None,
    *,
    bounds: Bounds | None = None,
    after: Position | None = None,
) -> Generator[Page]:
    """Yield the pages of a source's list for a day. Read each one before the next.

    `parent` has the values that the request names, if the source has one. `bounds` are a part of
    the day, and `after` is where an earlier run has ended.

    Raises:
        InvalidDataError: the pages form a loop, leave the host, are more than `max_pages`, or end
            before the list does.
        ConfigurationError: the endpoint's URL is not an http(s) URL, or a secret is missing.
    """
    url, _ = list_url(endpoint.url, source.path)
    first = first_request(source, url, day, parent, bounds)
    request: Request | None = after.request if after else first
    facts, visited = after.facts() if after else PageFacts(), set[Request]()
    while request:
        if request in visited:
            raise InvalidDataError(f"{shown(request.url)}: the pages form a loop")
        if facts.pages == client.settings.max_pages:
            raise InvalidDataError(f"{shown(request.url)}: expected at most {facts.pages} pages")
        visited.add(request)
        page = Page(source, first, request, client, facts)
        yield page
        facts = page.facts
        request = page.following()
