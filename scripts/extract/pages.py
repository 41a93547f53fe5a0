"""The pages of a list. Invariant: a page is read to its announced end, or an error says why.

One loop retries a whole page, from its request on, after any transient fault. It is not urllib3's
`Retry`, which sees neither a body that breaks off nor the deadline over all pages. The two together
would multiply their retries.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import requests
from requests.utils import parse_header_links
from tenacity import AttemptManager

from scripts.errors import InvalidDataError, PermanentError, UnavailableError
from scripts.extract.http_client import Client, TransientError
from scripts.extract.urls import followed, list_url, shown
from scripts.settings import Endpoint, RunSettings
from sources import Source


@dataclass
class Page:
    """One page of a list. Once it is read, `next_url` says whether another page follows."""

    url: str
    client: Client
    next_url: str | None = None
    position: int = 0

    @property
    def shown_url(self) -> str:
        """The URL for messages, without secrets."""
        return shown(self.url)

    def attempts(self) -> Iterator[AttemptManager]:
        """Yield a context for each try, until one succeeds. Read `blocks` to the end inside it.

        Raises:
            PermanentError: the answer would be the same again, or the reader refused it.
            UnavailableError: no whole answer after all retries, or within the total deadline.
        """
        retrying = self.client.retrying()
        try:
            yield from retrying
        except PermanentError as error:
            raise type(error)(f"{self.shown_url}: {error}") from None
        except UnavailableError as error:
            count = retrying.statistics["attempt_number"]
            tail = f" (tries: {count})" if isinstance(error, TransientError) else ""
            raise UnavailableError(f"{self.shown_url}: {error}{tail}") from None
        self.client.received += self.position

    def blocks(self) -> Generator[bytes]:
        """Request the page and yield its decoded body in blocks, from the first byte."""
        self.position = 0
        with self.client.open(self.url) as (url, response):
            self.next_url = _next_url(url, response)
            while block := self.client.read(response, self.position):
                self.position += len(block)
                yield block


def fetch_pages(endpoint: Endpoint, source: Source, settings: RunSettings) -> Generator[Page]:
    """Yield the pages of a source's list, along ``Link: rel="next"``. Read each before the next.

    Raises:
        InvalidDataError: the pages form a loop, leave the host, or are more than `max_pages`.
        ConfigurationError: the endpoint's URL is not an http(s) URL.
    """
    first, login = list_url(endpoint.url, source.path)
    login = endpoint.login or login
    client = Client(settings, endpoint.headers, login, endpoint.is_private_allowed)
    url: str | None = first
    visited: set[str] = set()
    with client.running():
        while url:
            if url in visited:
                raise InvalidDataError(f"{shown(url)}: the pages form a loop")
            if len(visited) == settings.max_pages:
                raise InvalidDataError(f"{shown(url)}: expected at most {len(visited)} pages")
            visited.add(url)
            page = Page(url, client)
            yield page
            url = page.next_url


def _next_url(url: str, response: requests.Response) -> str | None:
    for link in parse_header_links(response.headers.get("Link", "")):
        if "next" in link.get("rel", "").lower().split():
            return followed(url, link["url"])
    return None
