"""A proposal is made from the answer alone, and proved by further pages."""

from collections.abc import Iterator
from datetime import date

import pytest

from local.switchable import running
from scripts.errors import InvalidDataError, InvalidInputError
from scripts.settings import Endpoint, RunSettings
from scripts.source.draft import Draft, auth_of, class_name, drafted
from sources.declaration import api_key, bearer, http_basic
from tests.shapes import TOKEN, Shapes, shapes

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def api() -> Iterator[Shapes]:
    with running(shapes()) as server:
        yield server


def draft(api: Shapes, path: str, auth: str = "") -> Draft:
    endpoint = Endpoint(api.url, secret=TOKEN, is_private_allowed=True)
    settings = RunSettings(http_retries=0)
    day = date(2026, 1, 1)
    return drafted(f"{api.url}{path}", "things", auth_of(auth), endpoint, day, settings)


@pytest.mark.parametrize(
    ("path", "auth", "paginator", "selector"),
    [
        ("/github/x", "bearer", "header_link()", ""),
        (
            "/gitlab/x",
            "header:PRIVATE-TOKEN",
            'header_cursor(cursor_key="X-Next-Page", cursor_param="page")',
            "",
        ),
        ("/coingecko/x", "", "page_number()", ""),
        ("/socrata/x", "", 'offset(limit=10, offset_param="$offset", limit_param="$limit")', ""),
        (
            "/stripe/x",
            "",
            (
                'cursor(cursor_param="starting_after", cursor_record_path="id",'
                ' has_more_path="has_more")'
            ),
            "data",
        ),
        ("/shopify/x", "", "header_link()", "orders"),
        (
            "/hubspot/x",
            "",
            'cursor(cursor_path="paging.next.after", cursor_param="after")',
            "results",
        ),
        ("/airtable/x", "", 'cursor(cursor_path="offset", cursor_param="offset")', "records"),
        ("/pokeapi/x", "", 'json_link(next_url_path="next")', "results"),
        ("/earthquakes/x?limit=10", "", "offset(limit=10, offset=1)", "features"),
        ("/odata/x", "", 'json_link(next_url_path=("@odata.nextLink",))', "value"),
        ("/contacts/x", "", "page_number()", "items"),
    ],
)
def test_pages_are_found_and_proved(
    api: Shapes, path: str, auth: str, paginator: str, selector: str
) -> None:
    found = draft(api, path, auth)
    assert (found.paginator, found.source.data_selector) == (paginator, selector)
    assert any("25 records, the list ended there" in note for note in found.notes)


@pytest.mark.parametrize(
    ("path", "format_"),
    [("/ndjson/x", "ndjson"), ("/earthquakes/x?format=csv", "csv"), ("/zipped/x", "json")],
)
def test_files_are_recognised(api: Shapes, path: str, format_: str) -> None:
    found = draft(api, path)
    assert (found.source.format, found.paginator, found.key) == (format_, "single_page()", ("id",))
    assert len(found.records) == 25
    assert any("Is the answer the whole list?" in note for note in found.notes)


def test_one_object_is_one_record(api: Shapes) -> None:
    found = draft(api, "/weather?q=Berlin", "query:appid")
    assert found.source.is_single_record
    assert len(found.records) == 1


def test_a_total_is_proposed_once_it_is_proved(api: Shapes) -> None:
    assert draft(api, "/pokeapi/x").source.total_path == "count"
    assert draft(api, "/nasa/x", "query:api_key").key == ("date",)


def test_what_has_no_records_is_refused(api: Shapes) -> None:
    with pytest.raises(InvalidDataError, match="404"):
        draft(api, "/missing/x")


def test_a_login_is_read_from_its_name() -> None:
    assert [auth_of(text) for text in ("", "bearer", "basic", "header:A", "query:b")] == [
        None,
        bearer(),
        http_basic(),
        api_key("A"),
        api_key("b", "query"),
    ]
    for wrong in ("token", "header:", "cookie:x"):
        with pytest.raises(InvalidInputError, match="--auth: expected bearer"):
            auth_of(wrong)


def test_a_class_is_named_in_the_singular() -> None:
    assert list(map(class_name, ("orders", "web_orders", "address"))) == [
        "Order",
        "WebOrder",
        "Address",
    ]
