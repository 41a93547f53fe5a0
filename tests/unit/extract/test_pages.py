"""The client of the API: what it retries, what it refuses, and the texts of its errors."""

import base64
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import requests

from local.processes import free_port
from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running
from scripts.errors import ConfigurationError, InvalidDataError, PipelineError, UnavailableError
from scripts.extract.http_client import NotFoundError
from scripts.extract.pages import Page, fetch_pages
from scripts.landing.json_array import Batch
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit
Api = SwitchableServer[ApiSwitches]
SETTINGS = RunSettings(http_backoff=0.01, http_retries=2, read_timeout=2, total_timeout=20)
PAGED = replace(POSTS, path="/posts?_page=1&_limit=10")
DAY = date(2026, 1, 2)
SECRET = "s3cr3t-of-the-test"


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(25, 1)) as server:
        yield server


def with_settings(**changes: Any) -> RunSettings:
    return SETTINGS.model_copy(update=changes)


def fetch(
    url: str | Endpoint, source: Source = POSTS, settings: RunSettings = SETTINGS
) -> list[bytes]:
    """Return the records of all pages."""
    endpoint = url if isinstance(url, Endpoint) else Endpoint(url)
    with closing(fetch_pages(endpoint, source, DAY, settings)) as pages:
        return [read(page) for page in pages]


def read(page: Page) -> bytes:
    """Return a page's records, as its last try brought them."""
    found = b""
    for attempt in page.attempts():
        with attempt:
            batches = [found for found in page.records() if isinstance(found, Batch)]
            found = b"".join(batch.text for batch in batches)
    return found


def whole(api: Api) -> bytes:
    before, api.switches = api.switches, ApiSwitches()
    body = fetch(api.url)[0]
    api.requests.clear()
    api.switches = before
    return body


def raises(
    kind: type[PipelineError], match: str, call: Callable[[], Any]
) -> pytest.ExceptionInfo[PipelineError]:
    with pytest.raises(kind, match=match) as caught:
        call()
    assert caught.type is kind
    return caught


def test_a_list_without_pages_is_one_page(api: Api) -> None:
    assert len(fetch(api.url)) == 1
    assert api.requests[0].headers["accept"] == "application/json"


def test_pages_are_followed_to_the_last(api: Api) -> None:
    assert len(fetch(api.url, PAGED)) == 3
    assert [request.query["_page"] for request in api.requests] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "faults",
    [
        {"status": 500},
        {"status": 503},
        {"status": 408},
        {"drop": True},
        {"cut": 100},
        {"cut": 100, "framing": "length"},
        {"content_length": 1_000_000},
    ],
    ids=str,
)
def test_passing_trouble_is_tried_again_and_then_given_up(api: Api, faults: dict[str, Any]) -> None:
    expected = whole(api)
    if "content_length" in faults:
        faults = {**faults, "cut": 10**9}  # close at the end, like a broken connection

    api.switches = ApiSwitches(times=2, **faults)
    assert fetch(api.url) == [expected]
    assert len(api.requests) == 3

    api.requests.clear()
    api.switches = ApiSwitches(**faults)
    raises(UnavailableError, rf"^{api.url}/posts: .*tries: 3", lambda: fetch(api.url))
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("gzip", "says that the answer is compressed, but it is not"),
        ("compress", "compressed with compress, we asked for gzip"),
        ("gzip, sdch", "compressed with sdch, we asked for gzip"),
    ],
)
def test_a_compression_that_cannot_be_undone_is_named_and_not_tried_again(
    api: Api, encoding: str, says: str
) -> None:
    api.switches = ApiSwitches(headers={"Content-Encoding": encoding})
    raises(InvalidDataError, says, lambda: fetch(api.url))
    assert len(api.requests) == 1


def test_a_page_in_the_middle_is_tried_again_alone(api: Api) -> None:
    api.switches = ApiSwitches(skip=1, times=1, cut=300)
    assert len(fetch(api.url, PAGED)) == 3
    assert [request.query["_page"] for request in api.requests] == ["1", "2", "2", "3"]


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_where_it_broke_off_is_named(api: Api, framing: Any) -> None:
    api.switches = ApiSwitches(cut=321, framing=framing)
    raises(UnavailableError, r"broke off at byte 321", lambda: fetch(api.url))


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, InvalidDataError, "credentials"),
        (404, NotFoundError, "404"),
        (204, InvalidDataError, "204"),
    ],
)
def test_a_refusal_is_not_tried_again(
    api: Api, status: int, kind: type[InvalidDataError], says: str
) -> None:
    api.switches = ApiSwitches(status=status)
    raises(kind, rf"{api.url}/posts: expected status 200.*{says}", lambda: fetch(api.url))
    assert len(api.requests) == 1


def test_retry_after_is_waited_for(api: Api) -> None:
    api.switches = ApiSwitches(times=1, status=429, retry_after=1)
    fetch(api.url)
    first, second = api.requests
    assert 1 <= second.at - first.at < 3


def test_retry_after_beyond_the_deadline_is_not_waited_for(api: Api) -> None:
    api.switches = ApiSwitches(status=429, retry_after=3600)
    started = time.monotonic()
    raises(UnavailableError, "429 with Retry-After 3600 s", lambda: fetch(api.url))
    assert len(api.requests) == 1
    assert time.monotonic() - started < 5


def test_a_retry_after_that_is_none_is_passed_over(api: Api) -> None:
    api.switches = ApiSwitches(times=1, status=503, retry_after="soon")
    assert len(fetch(api.url)) == 1


def test_a_silent_server_is_given_up(api: Api) -> None:
    api.switches = ApiSwitches(delay=30)
    settings = with_settings(read_timeout=0.2, http_retries=1)
    raises(UnavailableError, "no byte for 0.2 s", lambda: fetch(api.url, settings=settings))
    assert len(api.requests) == 2


def test_a_refused_connection_is_said_so() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    raises(UnavailableError, r"/posts: Connection refused \(tries: 3\)", lambda: fetch(url))


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_body_that_drips_ends_at_the_deadline(api: Api, framing: Any) -> None:
    api.switches = ApiSwitches(drip=0.05, framing=framing)
    settings = with_settings(total_timeout=0.4)
    started = time.monotonic()
    raises(
        UnavailableError, r"within 0.4 s .* at byte \d+", lambda: fetch(api.url, settings=settings)
    )
    assert time.monotonic() - started < 2
    assert len(api.requests) == 1


def test_pages_without_end_end_at_the_deadline(api: Api) -> None:
    api.switches = ApiSwitches(posts=10**9, delay=0.02)
    settings = with_settings(total_timeout=0.5)
    raises(UnavailableError, "within 0.5 s", lambda: fetch(api.url, PAGED, settings))
    assert len(api.requests) > 2


def test_an_endless_answer_ends_at_the_byte_limit(api: Api) -> None:
    api.switches = ApiSwitches(endless=True)
    settings = with_settings(max_bytes=1_000_000)
    caught = raises(
        InvalidDataError, "at most 1000000 bytes", lambda: fetch(api.url, settings=settings)
    )
    assert int(str(caught.value).split("at byte ")[1].split()[0]) > 1_000_000


def test_the_byte_limit_is_over_all_pages(api: Api) -> None:
    urls = [f"{api.url}/posts?_page={page}&_limit=10" for page in (1, 2, 3)]
    size = sum(len(requests.get(url, timeout=5).content) for url in urls)
    fetch(api.url, PAGED, with_settings(max_bytes=size))
    raises(
        InvalidDataError,
        "_page=3.*bytes over all pages",
        lambda: fetch(api.url, PAGED, with_settings(max_bytes=size - 1)),
    )


def test_a_compressed_answer_is_read_and_its_limit_counts_what_it_holds(api: Api) -> None:
    expected = whole(api)
    api.switches = ApiSwitches(gzip=True)
    assert fetch(api.url) == [expected]

    api.switches = ApiSwitches(gzip=True, body=" " * 30_000_000)  # 30 kB on the wire
    settings = with_settings(max_bytes=100_000)
    caught = raises(InvalidDataError, "at most 100000", lambda: fetch(api.url, settings=settings))
    assert int(str(caught.value).split("at byte ")[1].split()[0]) < 200_000


def test_pages_that_lead_in_a_circle_are_refused(api: Api) -> None:
    api.switches = ApiSwitches(skip=1, headers={"Link": '</posts?_page=1&_limit=10>; rel="next"'})
    raises(InvalidDataError, "_page=1.*form a loop", lambda: fetch(api.url, PAGED))
    assert len(api.requests) == 2


def test_more_pages_than_the_limit_are_refused(api: Api) -> None:
    fetch(api.url, PAGED, with_settings(max_pages=3))
    raises(
        InvalidDataError,
        "at most 2 pages",
        lambda: fetch(api.url, PAGED, with_settings(max_pages=2)),
    )


def test_a_redirect_within_the_host_is_followed_but_not_for_ever(api: Api) -> None:
    api.switches = ApiSwitches(times=1, status=302, headers={"Location": "/users"})
    assert b'"website"' in fetch(api.url)[0]
    assert [request.path for request in api.requests] == ["/posts", "/users"]

    api.switches = ApiSwitches(status=301, headers={"Location": "/posts"})
    raises(InvalidDataError, "at most 5 redirects", lambda: fetch(api.url))


@pytest.mark.parametrize("how", ["redirect", "link"])
def test_another_host_is_never_asked(api: Api, how: str) -> None:
    with running(stand_in(3, 1)) as other:
        api.switches = (
            ApiSwitches(status=307, headers={"Location": f"{other.url}/posts"})
            if how == "redirect"
            else ApiSwitches(headers={"Link": f'<{other.url}/posts>; rel="next"'})
        )
        endpoint = Endpoint(api.url, {"X-Key": SECRET}, ("me", SECRET))
        raises(
            InvalidDataError,
            r"it leads to http://.*:\d+, but our credentials must not leave http://",
            lambda: fetch(endpoint),
        )
        assert not other.requests
    assert api.requests[0].headers["x-key"] == SECRET


@pytest.mark.parametrize("is_in_url", [False, True])
def test_a_login_opens_the_api(api: Api, *, is_in_url: bool) -> None:
    endpoint = Endpoint(api.url, login=("me", "p:w"))
    if is_in_url:
        endpoint = Endpoint(api.url.replace("://", "://me:p%3Aw@"))
    fetch(endpoint)
    expected = base64.b64encode(b"me:p:w").decode()
    assert api.requests[0].headers["authorization"] == f"Basic {expected}"


def test_nobody_elses_login_is_sent(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    fetch(api.url)
    assert "authorization" not in api.requests[0].headers


@pytest.mark.parametrize(
    "faults",
    [
        {"status": 500},
        {"status": 404},
        {"drop": True},
        {"cut": 10},
        {"delay": 9},
        {"status": 302, "headers": {"Location": f"http://x.example/?token={SECRET}"}},
        {"status": 302, "headers": {"Location": f"/posts?token={SECRET}"}},
        {"headers": {"Link": f'<?token={SECRET}>; rel="next"'}},
    ],
    ids="-".join,
)
def test_no_error_holds_a_secret(api: Api, faults: dict[str, Any]) -> None:
    api.switches = ApiSwitches(**faults)
    url = api.url.replace("://", f"://me:{SECRET}@")
    endpoint = Endpoint(f"{url}?api_key={SECRET}", {"X-Key": SECRET})
    settings = with_settings(http_retries=0, read_timeout=0.2)
    caught = raises_any(lambda: fetch(endpoint, settings=settings))
    assert SECRET not in "".join(traceback.format_exception(caught))
    assert f"{api.url}/posts?" in str(caught)
    assert "=***" in str(caught)


def test_an_unusable_header_is_not_repeated(api: Api) -> None:
    caught = raises_any(lambda: fetch(Endpoint(api.url, {"X-Key": f"{SECRET}\n"})))
    assert SECRET not in "".join(traceback.format_exception(caught))


def test_a_host_that_does_not_exist_holds_no_secret_either() -> None:
    endpoint = Endpoint(f"http://me:{SECRET}@no-such-host.invalid/?key={SECRET}")
    caught = raises_any(lambda: fetch(endpoint, settings=with_settings(http_retries=0)))
    assert SECRET not in "".join(traceback.format_exception(caught))


def raises_any(call: Callable[[], Any]) -> PipelineError:
    with pytest.raises(PipelineError) as caught:
        call()
    return caught.value


def test_a_url_that_is_none_is_a_matter_of_configuration() -> None:
    raises(ConfigurationError, "base URL", lambda: fetch("api.example"))
