"""Append the records of a day to an array, as its source declares: a list, children, or parts."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import msgspec

from scripts.errors import ConfigurationError, InvalidDataError, ShiftedListError
from scripts.extract.children import append_children
from scripts.extract.pages import Position, fetch_pages
from scripts.extract.parents import LandedParents
from scripts.extract.parts import Fetch, Fetched, PartsOfDay
from scripts.extract.record_array import RecordArray
from scripts.extract.urls import list_url, shown
from scripts.extract.whole_list import Watch, append_list, append_page
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.declaration import Window, hours, pages, parents
from sources.declaration.day import Bounds


@dataclass(frozen=True)
class DayFetch:
    """Fetches a day of a source."""

    source: Source
    day: date
    endpoint: Endpoint
    settings: RunSettings
    parents: LandedParents | None
    watch: Watch

    @property
    def shown(self) -> str:
        """What is fetched, for messages, without secrets."""
        if self.parents is not None:
            return self.parents.shown
        return shown(list_url(self.endpoint.url, self.source.path)[0])

    def append(self, array: RecordArray) -> int:
        """Append all records at once. Return how many parents the API did not know."""
        if self.parents is not None:
            return self._append_children(self.parents, array)
        self._append_list(array, None)
        return 0

    def append_parts(self, kept: PartsOfDay, begun: Callable[[], RecordArray]) -> int:
        """Append part after part to an array that `begun` returns, as `append` does.

        A list that was resumed and cannot go on, such as one whose cursor has expired, is fetched
        once more from its first page. So is a list that has shifted.
        """
        fetch = self._part()
        try:
            return kept.append(begun(), fetch)
        except InvalidDataError as error:
            is_chain = isinstance(self.source.parts, pages)
            if not (is_chain and (kept.is_resumed or isinstance(error, ShiftedListError))):
                raise
        kept.forget()
        return kept.append(begun(), fetch)

    def _part(self) -> Fetch:
        """Return what fetches a part."""
        match self.source.parts, self.source.day, self.parents:
            case hours(count), Window() as window, _:
                return partial(self._hours, window.hours_of(self.day, count))
            case parents(count), _, LandedParents() as found:
                return partial(self._parents, found, count)
            case pages(count), _, _:
                return partial(self._pages, count)
        raise ConfigurationError(f"{self.source.name} has no parts")

    def _hours(self, bounds: list[Bounds], number: int, _: Any, array: RecordArray) -> Fetched:
        self._append_list(array, bounds[number])
        return Fetched({} if number + 1 < len(bounds) else None)

    def _pages(self, most: int, _: int, before: Any, array: RecordArray) -> Fetched:
        after = msgspec.convert(before, Position) if before else None
        found = fetch_pages(self.endpoint, self.source, self.day, self.settings, after=after)
        with closing(found):
            for count, page in enumerate(found, 1):
                append_page(array, page, self.watch)
                if count == most:
                    break
        following = Position.behind(page)
        return Fetched(following and msgspec.to_builtins(following))

    def _parents(
        self, found: LandedParents, size: int, number: int, _: Any, array: RecordArray
    ) -> Fetched:
        end = (number + 1) * size
        some = found._replace(records=found.records[end - size : end])
        missing = self._append_children(some, array)
        return Fetched({} if end < len(found.records) else None, missing)

    def _append_list(self, array: RecordArray, bounds: Bounds | None) -> None:
        fetch = partial(fetch_pages, bounds=bounds)
        place = (self.endpoint, self.source, self.day, self.settings)
        append_list(array, partial(fetch, *place), self.watch)

    def _append_children(self, found: LandedParents, array: RecordArray) -> int:
        place = (self.day, self.endpoint, self.settings)
        return append_children(self.source, found, *place, array, self.watch)
