"""For any sizes of pages the result is the list that the API served, or a refusal."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.switchable import SwitchableServer, running
from local.switches import JSON, Answer, Request, Switches
from scripts.errors import InvalidDataError
from scripts.extract.pages import fetch_pages
from scripts.landing.json_array import Batch
from scripts.settings import Endpoint, RunSettings
from sources.declaration import (
    Api,
    Source,
    cursor,
    header_cursor,
    header_link,
    json_link,
    offset,
    page_number,
)

pytestmark = pytest.mark.unit
_SETTINGS = RunSettings(http_retries=0, total_timeout=10, max_pages=60)


class Record(msgspec.Struct):
    """Only the fetching is tested here."""

    id: int


class Served:
    """A list that is served in pages whose sizes vary, as the server likes."""

    def __init__(self, ids: list[int], sizes: list[int]) -> None:
        self.records = [{"id": number, "nr": nr} for nr, number in enumerate(ids)]
        self.sizes = sizes

    def page(self, start: int) -> tuple[list[Any], int | None]:
        size = self.sizes[start % len(self.sizes)]
        end = start + size
        return self.records[start:end], end if end < len(self.records) else None


def _answer(request: Request, served: Served) -> Answer:
    body = json.loads(request.body or b"{}")
    start = int(body.get("after") or request.query.get("after") or 0)
    if request.path == "/numbered":
        for _ in range(int(request.query["page"]) - 1):
            start = following if (following := served.page(start)[1]) else len(served.records)
    part, more = served.page(start)
    headers = {"Content-Type": JSON, "X-After": str(more or "")}
    url = f"http://{request.headers['host']}{request.path}?after={more}"
    if request.path == "/linked":
        headers["Link"] = f'<{url}>; rel="next"' if more else ""
    envelope: dict[str, Any] = {"total": len(served.records), "data": part}
    if request.path == "/json":
        envelope |= {"next": url if more else None, "after": more, "has_more": more is not None}
    return Answer(json.dumps(envelope).encode(), headers=headers)


_PAGED: dict[str, tuple[str, Any]] = {
    "header_link": ("/linked", header_link()),
    "header_cursor": ("/cursor", header_cursor("X-After", "after")),
    "json_link": ("/json", json_link("next")),
    "cursor": ("/json", cursor(cursor_path="after", cursor_param="after")),
    "body": (
        "/json",
        cursor(cursor_path="after", cursor_body_path="after", has_more_path="has_more"),
    ),
    "offset": ("/offset", offset(limit=3, offset_param="after", limit_param=None)),
    "page_number": ("/numbered", page_number()),
}


@pytest.fixture(scope="module")
def fetch() -> Any:
    """Return a function that fetches a served list with a paginator."""
    served: list[Served] = []
    server: SwitchableServer[Switches] = SwitchableServer(
        ("127.0.0.1", 0), lambda request, _: _answer(request, served[-1]), Switches
    )

    def fetched(of: Served, kind: str, **changes: Any) -> list[Any]:
        served[:] = [of]
        path, paginator = _PAGED[kind]
        source = Source(
            api=Api(name="paged", paginator=paginator),
            name="records",
            path=path,
            contract=Record,
            method="POST" if kind == "body" else "GET",
            data_selector="data",
            allows_empty=True,
            **changes,
        )
        found: list[Any] = []
        day = date(2026, 1, 1)
        with closing(fetch_pages(Endpoint(server.url), source, day, _SETTINGS)) as pages:
            for page in pages:
                for attempt in page.attempts():
                    with attempt:
                        for batch in page.records():
                            assert isinstance(batch, Batch)
                            found += [json.loads(bytes(record)) for record in batch.records]
        return found

    with running(server):
        yield fetched


@pytest.mark.parametrize("kind", _PAGED)
@given(
    st.lists(st.integers(0, 9), max_size=20), st.lists(st.integers(1, 7), min_size=1, max_size=4)
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_result_is_what_the_api_served(
    fetch: Callable[..., list[Any]], kind: str, ids: list[int], sizes: list[int]
) -> None:
    """Page sizes vary, and keys repeat: neither is a matter of fetching."""
    served = Served(ids, sizes)
    assert fetch(served, kind) == served.records
    assert fetch(served, kind, total_path="total") == served.records


@pytest.mark.parametrize("kind", _PAGED)
@given(
    st.integers(2, 20),
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.integers(1, 6),
    st.sampled_from([-1, 1]),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_list_that_shifts_between_two_pages_is_whole_or_refused(
    fetch: Callable[..., list[Any]], kind: str, count: int, sizes: list[int], at: int, change: int
) -> None:
    """The list grows or shrinks at its front, when its n-th page is asked for."""

    class Shifting(Served):
        asked = 0

        def page(self, start: int) -> tuple[list[Any], int | None]:
            self.asked += 1
            if self.asked == at:
                new = [{"id": -1, "nr": -1}] if change > 0 else []
                self.records = new + self.records[0 if change > 0 else 1 :]
            return super().page(start)

    served = Shifting([*range(count)], sizes)
    before = list(served.records)
    try:
        found = fetch(served, kind, total_path="total")
    except InvalidDataError:
        return
    assert found in (before, served.records)


@pytest.mark.parametrize("kind", ["header_link", "json_link", "cursor", "header_cursor"])
def test_a_cursor_that_repeats_is_refused(fetch: Callable[..., list[Any]], kind: str) -> None:
    class Circle(Served):
        def page(self, start: int) -> tuple[list[Any], int | None]:
            return [{"id": start}], 1 if start == 2 else start + 1

    with pytest.raises(InvalidDataError, match="form a loop"):
        fetch(Circle([1, 2, 3], [1]), kind)


def test_a_list_without_an_end_is_refused(fetch: Callable[..., list[Any]]) -> None:
    class Endless(Served):
        def page(self, start: int) -> tuple[list[Any], int | None]:
            return [{"id": start}], start + 1

    with pytest.raises(InvalidDataError, match="at most 60 pages"):
        fetch(Endless([1], [1]), "offset")
