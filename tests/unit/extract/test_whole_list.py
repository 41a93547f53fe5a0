"""A list lands whole, and a list that shifted is fetched once more."""

import json
import tempfile
from collections.abc import Generator
from datetime import date

import pytest

from local.switchable import SwitchableServer, running
from local.switches import JSON, Answer, Request, Switches
from scripts.errors import ShiftedListError
from scripts.extract.pages import Page, fetch_pages
from scripts.extract.record_array import RecordArray
from scripts.extract.whole_list import append_list
from scripts.settings import Endpoint
from tests.orders import ORDERS, SETTINGS

pytestmark = pytest.mark.unit


def growing(changes: int) -> SwitchableServer[Switches]:
    """Return an API whose list of orders grows with each of its first requests."""
    counts = iter(range(4, 4 + changes))

    def answer(request: Request, _: Switches) -> Answer:
        count = next(counts, 4 + changes)
        start = (int(request.query["page"]) - 1) * 2
        found = [{"id": n} for n in range(count)][start : start + 2]
        headers = {"Content-Type": JSON, "X-Total-Count": str(count)}
        return Answer(json.dumps(found).encode(), headers=headers)

    return SwitchableServer(("127.0.0.1", 0), answer, Switches)


def append(array: RecordArray, url: str) -> str:
    def fetch() -> Generator[Page]:
        return fetch_pages(Endpoint(url), ORDERS, date(2026, 1, 1), SETTINGS)

    return append_list(array, fetch)


def test_a_list_that_shifted_is_fetched_again_behind_what_was_there() -> None:
    with running(growing(2)) as api, tempfile.SpooledTemporaryFile() as spool:
        array = RecordArray(spool, 1000)
        assert append(array, api.url) == f"{api.url}/orders?page=3"
        assert append(array, api.url).endswith("page=3")
        array.finish()
        assert [one["id"] for one in json.load(spool)] == [*range(6), *range(6)]


def test_one_that_always_shifts_is_refused() -> None:
    with running(growing(99)) as api, tempfile.SpooledTemporaryFile() as spool:
        with pytest.raises(ShiftedListError, match="from 6 to 7"):
            append(RecordArray(spool, 1000), api.url)
        assert len(api.requests) == 4
