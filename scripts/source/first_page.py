"""What the first page of a source shows about its declaration. Invariant: nothing lands."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date

from scripts.errors import InvalidDataError, PermanentError
from scripts.extract.page_facts import PageFacts, total_of
from scripts.extract.pages import Page, fetch_pages
from scripts.extract.splice import head_of, spliced_batch
from scripts.extract.urls import shown
from scripts.landing.json_array import Batch
from scripts.load.contract import Contract
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.declaration.parent import Values

_LIMIT_HEADERS = ("retry-after", "ratelimit", "rate-limit", "call-limit")


@dataclass
class FirstPage:
    """What was found.

    Attributes:
        records: number of records on the page.
        total: number of records over all pages, if the answer says it.
        following: the next page, "none: the list ends here", or why it cannot be found.
        duplicates: number of records whose key another record before them has.
        violations: how often a reason to reject a record occurs.
        new_fields: fields that the contract does not declare.
        limits: headers about rate limits.
    """

    records: int = 0
    total: int | None = None
    following: str = ""
    duplicates: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    new_fields: list[str] = field(default_factory=list)
    limits: dict[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether the declaration fits the page."""
        is_list = bool(self.records) and not self.following.startswith("unknown")
        return is_list and not (self.duplicates or self.violations)


def look(
    source: Source,
    endpoint: Endpoint,
    day: date,
    settings: RunSettings,
    parent: Values | None = None,
) -> FirstPage:
    """Fetch the first page of a source for a day, and hold it against the declaration.

    `parent` has the values of the parent's record to ask for, if the source has a parent.

    Raises:
        InvalidDataError: the page is not what the declaration says.
        ConfigurationError: the API's URL is wrong, or a secret is missing.
        UnavailableError: the API did not answer as expected.
    """
    with closing(fetch_pages(endpoint, source, day, settings, parent)) as pages:
        page = next(pages)
        for attempt in page.attempts():
            found, contract, keys = FirstPage(), Contract(source), Counter[object]()
            with attempt, closing(page.records()) as records:
                for item in records:
                    if not isinstance(item, Batch):
                        found.violations[item.reason] += 1
                        found.records += 1
                        continue
                    whole = item if parent is None else spliced_batch(item, head_of(parent))
                    checked = contract.check(whole)
                    keys.update(map(source.key_in, checked.rows))
                    found.violations.update(b.reason for b in checked.breaches.values())
                    found.records += len(item.records)
        if source.key_fields:
            found.duplicates = keys.total() - len(keys)
        found.new_fields = contract.new_fields
        found.following = _following(page)
        found.total = _total(source, page.facts)
        found.limits = {
            name: value
            for name, value in page.facts.headers.items()
            if any(part in name.lower() for part in _LIMIT_HEADERS)
        }
    return found


def _following(page: Page) -> str:
    try:
        request = page.following()
    except PermanentError as error:
        return f"unknown: {error}"
    return shown(request.url) if request else "none: the list ends here"


def _total(source: Source, facts: PageFacts) -> int | None:
    try:
        return total_of(source, facts)
    except InvalidDataError:
        return None
