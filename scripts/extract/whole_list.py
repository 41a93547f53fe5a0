"""Append a whole list to an array. Invariant: a page that is fetched again leaves no trace."""

from collections.abc import Callable, Generator
from contextlib import closing

from scripts.errors import ShiftedListError
from scripts.extract.pages import Page
from scripts.extract.record_array import RecordArray

Watch = Callable[[int, int], None]


def append_list(
    array: RecordArray,
    fetch: Callable[[], Generator[Page]],
    watch: Watch = lambda _rows, _size: None,
) -> str:
    """Append the records of every page, and return the URL of the last one for messages.

    Args:
        array: where the records go.
        fetch: returns the pages. It is called once more if the list shifts.
        watch: called with (rows, bytes) of the array as they arrive.
    """
    beginning = array.mark()
    try:
        return _append(array, fetch(), watch)
    except ShiftedListError:  # once more, from the first page
        array.rewind(beginning)
        return _append(array, fetch(), watch)


def _append(array: RecordArray, pages: Generator[Page], watch: Watch) -> str:
    with closing(pages):
        for page in pages:
            append_page(array, page, watch)
    return page.shown_url


def append_page(array: RecordArray, page: Page, watch: Watch) -> None:
    """Append the records of one page, which may need several tries."""
    start = array.mark()
    for attempt in page.attempts():
        with attempt, closing(page.records()) as records:
            array.rewind(start)
            for found in records:
                array.append(found)
                watch(array.rows, array.size)
