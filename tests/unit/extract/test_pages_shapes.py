"""Lists in the shapes of docs/your-own-source.md arrive whole, or are refused with a reason."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec
import pytest

import sources.declaration as words
from local.switchable import running
from local.switches import Switches
from scripts.errors import ConfigurationError, InvalidDataError, UnavailableError
from scripts.extract.pages import fetch_pages
from scripts.extract.record_array import RecordArray
from scripts.settings import Endpoint, RunSettings
from sources.declaration import (
    Api,
    Source,
    Window,
    bearer,
    cursor,
    header_cursor,
    header_link,
    http_basic,
    json_link,
    oauth2_client_credentials,
    oauth2_refresh_token,
    offset,
    page_number,
    single_page,
)
from tests.shapes import COUNT, OTHER_TOKEN, SECRET, TOKEN, Shapes, serve, shapes

pytestmark = pytest.mark.unit

_DOCUMENT = Path(__file__).parents[3] / "docs" / "your-own-source.md"
_ROW = re.compile(r"^\| ([^|`]+) \| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)
_TABLE = _ROW.findall(_DOCUMENT.read_text())[1:]  # without the header
_EACH = pytest.mark.parametrize(
    ("name", "api_text", "source_text"), _TABLE, ids=[row[0] for row in _TABLE]
)
_SETTINGS = RunSettings(http_retries=1, http_backoff=0.01, total_timeout=20)
_DAY = date(2026, 1, 31)
_FRAMINGS: tuple[Literal["length", "chunked", "close"], ...] = ("length", "chunked", "close")


class Record(msgspec.Struct):
    """Only the fetching is tested here."""

    id: str | int = ""
    Id: str = ""
    name: str = ""
    date: str = ""


@pytest.fixture(scope="module")
def api() -> Iterator[Shapes]:
    with running(shapes()) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(api: Shapes) -> None:
    api.switches = Switches()
    api.requests.clear()


def arguments(text: str) -> dict[str, Any]:
    """Evaluate a cell of the table: the arguments of a declaration."""
    found: dict[str, Any] = eval(f"dict({text})", vars(words))  # noqa: S307 - our own document
    return found


def declared(source: dict[str, Any], **api: Any) -> Source:
    declared_api = Api(**{"name": "shape", "paginator": single_page(), **api})
    return Source(
        **{"name": "things", "contract": Record, **source, "api": declared_api, "key": None}
    )


def fetch(api: Shapes, source: Source, **endpoint: Any) -> list[dict[str, Any]]:
    """Return the records that would land."""
    given = Endpoint(api.url, **{"secret": TOKEN, "login": ("id", SECRET), **endpoint})
    with TemporaryFile() as spool:
        array = RecordArray(spool, 1 << 20)
        with closing(fetch_pages(given, source, _DAY, _SETTINGS)) as pages:
            for page in pages:
                start = array.mark()
                for attempt in page.attempts():
                    with attempt, closing(page.records()) as records:
                        array.rewind(start)
                        for found in records:
                            array.append(found)
        array.finish()
        text = spool.read()
        assert not re.search(rb": [0-9]+\.[0-9]+(?<!0)[,}]", text), "a digit was lost"
        found_records: list[dict[str, Any]] = json.loads(text)
        return found_records


def test_the_document_has_a_table_of_shapes() -> None:
    assert len(_TABLE) >= 20


@_EACH
def test_every_shape_of_the_document_arrives_whole(
    api: Shapes, name: str, api_text: str, source_text: str
) -> None:
    source = declared(arguments(source_text), **arguments(api_text))
    found = fetch(api, source)
    expected = 1 if source.is_single_record else COUNT
    assert len(found) == len({json.dumps(record) for record in found}) == expected, name


@_EACH
def test_a_single_page_is_refused_if_the_answer_names_another(
    api: Shapes, name: str, api_text: str, source_text: str
) -> None:
    given = {**arguments(api_text), "paginator": single_page()}
    source = declared(arguments(source_text), **given)
    try:
        found = len(fetch(api, source))
    except InvalidDataError as error:
        found = 0
        reason = str(error)
        assert re.search(r"names a next page|list has 25 records, but 10 came", reason)
    # Socrata says nothing about other pages, so no client can know of them.
    assert found in {0, 1, COUNT} or name == "Socrata"


@_EACH
def test_a_connection_that_breaks_lands_nothing(
    api: Shapes, name: str, api_text: str, source_text: str
) -> None:
    source = declared(arguments(source_text), **arguments(api_text))
    fetch(api, source)
    skip = 1 if "oauth2" in api_text else 0
    body = serve(api.requests[skip]).body
    assert isinstance(body, bytes), name
    for at in range(0, len(body), 1 + len(body) // 12):
        for framing in _FRAMINGS:
            api.switches = Switches(skip=skip, cut=at, framing=framing)
            with pytest.raises((UnavailableError, InvalidDataError)):
                fetch(api, source)


@pytest.mark.parametrize("shape", ["Stripe", "USGS, CSV", "NDJSON", "A file compressed with gzip"])
def test_not_one_byte_may_be_missing(api: Shapes, shape: str) -> None:
    api_text, source_text = next(row[1:] for row in _TABLE if row[0] == shape)
    source = declared(arguments(source_text), **arguments(api_text))
    fetch(api, source)
    body = serve(api.requests[0]).body
    assert isinstance(body, bytes)
    for at in range(len(body)):
        api.switches = Switches(cut=at, framing="close")
        with pytest.raises((UnavailableError, InvalidDataError)):
            fetch(api, source)


def things(path: str, **changes: Any) -> Source:
    source = {name: changes.pop(name) for name in list(changes) if name in Source.__annotations__}
    return declared({"path": path, **source}, **changes)


def refused(api: Shapes, source: Source, says: str, **endpoint: Any) -> str:
    with pytest.raises((InvalidDataError, ConfigurationError), match=says) as caught:
        fetch(api, source, **endpoint)
    assert TOKEN not in str(caught.value)
    assert str(caught.value).startswith(api.url)
    return str(caught.value)


def test_a_wrong_place_names_the_arrays_that_are_there(api: Shapes) -> None:
    refused(
        api,
        things("/stripe/charges", data_selector="results"),
        "no array at 'results'; found: data",
    )
    refused(api, things("/stripe/charges"), "no array at the top level; found: data")
    source = things(f"/weather?appid={TOKEN}", data_selector="list", is_single_record=True)
    refused(api, source, "no object at 'list'")


def test_an_error_with_status_200_is_an_error(api: Shapes) -> None:
    slack = {"data_selector": "channels", "auth": bearer()}
    by_error = things("/slack/conversations.list", error_path="error", **slack)
    refused(api, by_error, "answers with an error: invalid_auth", secret=OTHER_TOKEN)
    by_flag = things("/slack/conversations.list", success_path="ok", **slack)
    refused(api, by_flag, "answers with an error: .*invalid_auth", secret=OTHER_TOKEN)
    graphql = things("/graphql", data_selector="data.orders.nodes", error_path="errors")
    refused(api, graphql, "Must provide query string")


@pytest.mark.parametrize(
    "paginator",
    [
        json_link("links.next"),
        header_link(),
        header_cursor("X-After", "after"),
        cursor(cursor_path="meta.after", cursor_param="after"),
    ],
    ids=str,
)
def test_a_paginator_that_looks_at_the_wrong_place_is_refused(api: Shapes, paginator: Any) -> None:
    source = things("/hubspot/contacts", data_selector="results", paginator=paginator)
    refused(api, source, "field 'paging.next' names a next page")


@pytest.mark.parametrize("paginator", [page_number(), offset(limit=10)], ids=str)
def test_a_parameter_that_the_api_ignores_is_noticed(api: Shapes, paginator: Any) -> None:
    source = things("/hubspot/contacts", data_selector="results", paginator=paginator)
    refused(api, source, "the same records as the page before")
    assert len(api.requests) == 2


def test_a_total_that_differs_is_refused(api: Shapes) -> None:
    source = {"data_selector": "results", "paginator": json_link("next")}
    path = "/pokeapi/pokemon?offset=10"
    refused(api, things(path, total_path="count", **source), "has 25 records, but 15 came")
    refused(api, things(path, total_path="results", **source), "a number at 'results'")


def test_declared_parameters_go_with_every_page(api: Shapes) -> None:
    source = things(
        "/github/issues",
        params={"until": "{window.end}"},
        day=Window("since"),
        paginator=header_link(),
        auth=bearer(),
    )
    assert len(fetch(api, source)) == COUNT
    assert [r.query["since"] for r in api.requests] == ["2026-01-31"] * 3
    assert [r.query["until"] for r in api.requests] == ["2026-02-01"] * 3
    assert [r.query.get("page") for r in api.requests] == [None, "2", "3"]


def test_an_empty_list_is_refused_unless_it_is_allowed(api: Shapes) -> None:
    refused(api, things("/empty/x"), "expected status 200, got 204")
    assert fetch(api, things("/empty/x", allows_empty=True)) == []
    refused(api, things("/missing/x", allows_empty=True), "expected status 200, got 404")
    assert fetch(api, things("/missing/x", allows_empty=True, empty_statuses=(404,))) == []


def test_a_day_without_its_end_is_no_answer(api: Shapes) -> None:
    api.switches = Switches(framing="close")
    refused(api, things("/ndjson/x", format="ndjson"), "without Content-Length or chunked")


@pytest.mark.parametrize("is_secret_in_body", [True, False])
def test_a_token_is_asked_for_once_and_again_when_it_has_expired(
    api: Shapes, *, is_secret_in_body: bool
) -> None:
    auth = oauth2_client_credentials(
        "/salesforce/token", scopes=("api",), is_secret_in_body=is_secret_in_body
    )
    source = things(
        "/salesforce/query",
        data_selector="records",
        paginator=json_link("nextRecordsUrl"),
        auth=auth,
    )
    if not is_secret_in_body:  # this API wants the secret in the body
        refused(api, source, r"no token from /salesforce/token: invalid_client\. Check login")
        assert api.requests[0].headers["authorization"].startswith("Basic ")
        return
    api.switches = Switches(skip=2, times=1, status=401)
    assert len(fetch(api, source)) == COUNT
    paths = [request.path.split("/")[2] for request in api.requests]
    assert paths == ["token", "query", "query", "token", "query", "query"]
    assert b"scope=api" in api.requests[0].body


def test_a_token_that_was_never_accepted_is_not_asked_for_again(api: Shapes) -> None:
    auth = oauth2_client_credentials("/salesforce/token")
    api.switches = Switches(skip=1, status=401)
    refused(api, things("/salesforce/query", auth=auth), "401. Check the API's credentials")
    assert len(api.requests) == 2


def test_a_refresh_token_is_in_the_connections_extra(api: Shapes) -> None:
    source = things(
        "/github/issues", paginator=header_link(), auth=oauth2_refresh_token("/salesforce/token")
    )
    refused(api, source, "connection shape_api has no refresh_token in its extra")
    assert len(fetch(api, source, refresh_token=OTHER_TOKEN)) == COUNT
    form = parse_qs(api.requests[0].body.decode())
    assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], [OTHER_TOKEN])


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        (bearer(), "connection shape_api has no password"),
        (http_basic(), "connection shape_api has no login"),
        (oauth2_client_credentials("/salesforce/token"), "connection shape_api has no login"),
    ],
    ids=str,
)
def test_a_secret_that_is_missing_is_named(api: Shapes, auth: Any, says: str) -> None:
    refused(api, things("/github/issues", auth=auth), says, secret=None, login=None)
    assert not api.requests


def test_a_rate_limit_is_waited_for_although_there_are_few_retries(api: Shapes) -> None:
    api.switches = Switches(times=4, status=403, retry_after=1)
    assert len(fetch(api, things("/ndjson/x", format="ndjson"))) == COUNT
    assert len(api.requests) == 5


def test_a_rate_limit_beyond_the_deadline_says_when_it_ends(api: Shapes) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1999999999"}
    api.switches = Switches(status=403, headers=headers)
    with pytest.raises(UnavailableError, match="403 until 2033-05-18T03:33:19Z, the limit's end"):
        fetch(api, things("/github/issues"))
    assert len(api.requests) == 1


def test_the_declared_pace_is_kept(api: Shapes) -> None:
    source = things("/coingecko/coins", paginator=page_number(), requests_per_minute=200)
    fetch(api, source)
    first, second, third = (request.at for request in api.requests)
    # 0.3 s each. On a busy machine a request is noted a little late, so the next one seems earlier.
    assert min(second - first, third - second) >= 0.2


def test_a_post_is_not_redirected_to_a_get(api: Shapes) -> None:
    source = things("/notion/query", method="POST", data_selector="results")
    api.switches = Switches(times=1, status=302, headers={"Location": "/ndjson/x"})
    refused(api, source, "a POST is redirected with 302")
    api.switches = Switches(times=1, status=307, headers={"Location": "/notion/query"})
    refused(api, source, "names a next page")
    assert [request.method for request in api.requests] == ["POST"] * 3
