"""The door to the HTTP API. Invariant: a page is read to its announced end, or an error says why.

One loop tries a page again from its request on, whatever passing trouble broke it. It is not
urllib3's `Retry`, which sees neither a body that breaks off nor the deadline over all pages; the
two together would multiply their tries.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import requests
from requests.utils import parse_header_links

from scripts.errors import RefusedError, UnavailableError
from scripts.extract.http_client import Client, PassingError
from scripts.extract.urls import followed, list_url, shown
from scripts.settings import Endpoint, RunSettings
from sources import Source


@dataclass
class Page:
    """One page of a list: `read` it to its end, and `next_url` tells whether another follows."""

    url: str
    client: Client
    next_url: str | None = None
    position: int = 0

    @property
    def shown_url(self) -> str:
        """The URL for messages, without secrets."""
        return shown(self.url)

    def read(self, consume: Callable[[Iterator[bytes]], None]) -> None:
        """Give the page's decoded blocks to `consume`, however many tries it takes.

        Args:
            consume: reads the blocks to their end; it is called anew, from byte 0, for each try.

        Raises:
            RefusedError: an answer that would be the same again, or what `consume` refuses.
            UnavailableError: no whole answer after all tries, or within the total deadline.
        """
        tries = self.client.retrying()
        try:
            tries(self._try, consume)
        except RefusedError as error:
            raise RefusedError(f"{self.shown_url}: {error}") from None
        except UnavailableError as error:
            count = tries.statistics["attempt_number"]
            tail = f" (tries: {count})" if isinstance(error, PassingError) else ""
            raise UnavailableError(f"{self.shown_url}: {error}{tail}") from None
        self.client.received += self.position

    def _try(self, consume: Callable[[Iterator[bytes]], None]) -> None:
        with closing(self._blocks()) as blocks:
            consume(blocks)

    def _blocks(self) -> Generator[bytes]:
        self.position = 0
        with self.client.open(self.url) as (url, response):
            self.next_url = _next_url(url, response)
            while block := self.client.read(response, self.position):
                self.position += len(block)
                yield block


def fetch_pages(endpoint: Endpoint, source: Source, settings: RunSettings) -> Generator[Page]:
    """Yield the pages of a source's list, following ``Link: rel="next"``; read each one in turn.

    Raises:
        RefusedError: pages that form a loop, leave the host, or are more than `max_pages`.
        ConfigurationError: the endpoint's URL is none.
    """
    first, login = list_url(endpoint.url, source.path)
    login = endpoint.login or login
    client = Client(settings, endpoint.headers, login, endpoint.is_private_allowed)
    url: str | None = first
    seen: set[str] = set()
    with client.running():
        while url:
            if url in seen:
                raise RefusedError(f"{shown(url)}: the pages form a loop, this one came before")
            if len(seen) == settings.max_pages:
                raise RefusedError(f"{shown(url)}: expected at most {len(seen)} pages")
            seen.add(url)
            page = Page(url, client)
            yield page
            url = page.next_url


def _next_url(url: str, response: requests.Response) -> str | None:
    for link in parse_header_links(response.headers.get("Link", "")):
        if "next" in link.get("rel", "").lower().split():
            return followed(url, link["url"])
    return None
