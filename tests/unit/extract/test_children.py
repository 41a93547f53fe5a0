"""The lists of all parents come in the parents' order, and the first error ends them."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from local.switchable import running
from local.switches import Switches
from scripts.errors import InvalidDataError, PipelineError, UnavailableError
from scripts.extract.children import append_children
from scripts.extract.parents import LandedParents, ParentRecord
from scripts.extract.record_array import RecordArray
from scripts.landing.store import ObjectInfo, OpenObject
from scripts.settings import Endpoint
from sources import Source
from tests.orders import (
    API,
    DAY,
    DELETED,
    EVENTS,
    ORDERS,
    ORDERS_COUNT,
    PARENT,
    SETTINGS,
    Orders,
    expected,
    shop,
    with_parent,
)

pytestmark = pytest.mark.unit

_INFO = ObjectInfo("raw/orders/2026-01-01.json", '"e"', 1, datetime(2026, 1, 1, tzinfo=UTC))
ALL = [ParentRecord(n - 1, {"order_id": n}) for n in range(1, ORDERS_COUNT + 1)]


@pytest.fixture
def api() -> Iterator[Orders]:
    with running(shop(delay=0.02)) as server:
        yield server


def landed(
    api: Orders,
    source: Source = EVENTS,
    records: list[ParentRecord] = ALL,
    **changes: Any,
) -> tuple[bytes, int]:
    """Return what would land, and how many parents are missing."""
    parents = LandedParents(OpenObject(_INFO, None, None, None, body=None), records)
    settings = SETTINGS.model_copy(update=changes)
    with tempfile.SpooledTemporaryFile() as spool:
        array = RecordArray(spool, 1000)
        seen: list[int] = []
        missing = append_children(
            source,
            parents,
            DAY,
            Endpoint(api.url),
            settings,
            array,
            lambda rows, _: seen.append(rows),
        )
        assert seen == sorted(seen)
        array.finish()
        return spool.read(), missing


def test_the_order_is_that_of_the_parents_whatever_the_concurrency(api: Orders) -> None:
    texts = {landed(api, with_parent(concurrency=count)) for count in (1, 3, 8)}
    [(text, missing)] = texts
    assert json.loads(text) == expected()
    first = b'{"_parent":{"order_id":1},"id":0,"kind":"\\u00e91-0","amount":0.0},'
    assert text.splitlines()[1] == first
    assert missing == 1
    paths = Counter(request.path for request in api.requests)
    assert set(paths) == {f"/orders/{n}/events" for n in range(1, ORDERS_COUNT + 1)}


def test_no_parent_is_no_request(api: Orders) -> None:
    assert landed(api, records=[]) == (b"[\n]\n", 0)
    assert not api.requests


def test_a_missing_parent_is_refused_unless_it_may_be_skipped(api: Orders) -> None:
    with pytest.raises(InvalidDataError, match=f"parent {DELETED - 1} of raw/orders/.*404"):
        landed(api, with_parent(on_missing="refuse"))
    assert landed(api, records=ALL[DELETED - 1 : DELETED]) == (b"[\n]\n", 1)


def test_only_a_parent_that_is_missing_from_its_first_page_on_is_skipped(api: Orders) -> None:
    api.switches = Switches(skip=1, status=404)
    with pytest.raises(InvalidDataError, match=r"parent 2 of .*page=2.*404"):
        landed(api, records=ALL[2:3])


@pytest.mark.parametrize(
    ("faults", "kind", "says"),
    [
        (Switches(skip=5, status=403), InvalidDataError, "403"),
        (Switches(skip=5, status=500), UnavailableError, r"500 \(tries: 2\)"),
        (Switches(skip=5, body='[{"_parent": 1}]'), InvalidDataError, "record 0 has the field"),
    ],
)
def test_the_first_error_is_raised_and_stops_the_rest(
    api: Orders, faults: Switches, kind: type[PipelineError], says: str
) -> None:
    api.switches = faults
    with pytest.raises(kind, match=rf"parent \d+ of raw/orders/2026-01-01.json: .*{says}"):
        landed(api, with_parent(concurrency=3))
    asked = len(api.requests)
    assert asked < ORDERS_COUNT
    time.sleep(0.1)
    assert len(api.requests) == asked, "a thread goes on"


def test_a_wait_of_another_list_ends_with_the_error(api: Orders) -> None:
    api.switches = Switches(times=1, status=429, retry_after=900)
    records = [ALL[DELETED - 1]] * 2  # whichever waits, the other one is missing
    started = time.monotonic()
    with pytest.raises(InvalidDataError, match="404"):
        landed(api, with_parent(on_missing="refuse"), records, total_timeout=3600)
    assert time.monotonic() - started < 10


def test_the_bytes_of_all_lists_have_one_limit(api: Orders) -> None:
    with pytest.raises(InvalidDataError, match="at most 500 bytes over all pages"):
        landed(api, max_bytes=500)
    assert landed(api, max_bytes=5000)[1] == 1


def test_pages_are_limited_for_each_list(api: Orders) -> None:
    assert landed(api, max_pages=2)[1] == 1
    with pytest.raises(InvalidDataError, match="at most 1 pages"):
        landed(api, max_pages=1)


def test_one_deadline_and_one_pace_hold_for_all(api: Orders) -> None:
    slow = replace(API, requests_per_minute=1200)
    source = replace(EVENTS, api=slow, parent=replace(PARENT, source=replace(ORDERS, api=slow)))
    started = time.monotonic()
    landed(api, source, ALL[:10])
    assert time.monotonic() - started >= (len(api.requests) - 1) * 0.05
    with pytest.raises(UnavailableError, match=r"(within|more than) 0\.2 s"):
        landed(api, source, ALL[:10], total_timeout=0.2)
