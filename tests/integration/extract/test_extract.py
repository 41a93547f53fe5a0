"""From a failing API to a real bucket: the complete answer lands, or nothing and a clear error."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import requests

from local.sample_earthquakes import Earthquakes
from local.stand_in_api import ApiSwitches
from local.switchable import SwitchableServer, running
from local.switches import JSON, Answer, Request, Switches
from scripts.errors import InvalidDataError, InvalidInputError, UnavailableError
from scripts.extract.extract import ExtractResult, extract, extract_days
from scripts.landing.keys import raw_key
from scripts.landing.store import ObjectHead, Store
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.declaration import offset
from sources.earthquakes import EARTHQUAKES
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.integration
Api = SwitchableServer[ApiSwitches]
DAY = date(2026, 1, 1)
SETTINGS = RunSettings(http_backoff=0.01, http_retries=1, read_timeout=2, total_timeout=30)
SECRET = "s3cr3t-of-the-test"


def land(
    api: Api, store: Store, source: Source = POSTS, day: date = DAY, **changes: Any
) -> ExtractResult:
    settings = SETTINGS.model_copy(update=changes)
    return extract(source, day, Endpoint(api.url), store, settings)


def body(store: Store, day: date = DAY) -> bytes:
    opened = store.open(raw_key("posts", day))
    assert opened is not None
    return b"".join(opened.blocks())


def versions(store: Store) -> int:
    return len(store.client.list_object_versions(Bucket=store.bucket).get("Versions", []))


def test_the_whole_answer_lands_with_its_counts_and_its_hash(api: Api, store: Store) -> None:
    landed = land(api, store)

    content = body(store)
    answer = requests.get(f"{api.url}/posts", timeout=5)
    assert json.loads(content) == answer.json()
    assert content.count(b"\n") == 25 + 2
    assert "🚀".encode() in content
    assert landed.sha256 == sha256(content).hexdigest()
    assert (landed.rows, landed.bytes, landed.is_new) == (25, len(content), True)
    assert store.head(landed.key) == ObjectHead(
        next(store.list("raw/")), landed.version_id, landed.sha256, landed.as_of
    )
    assert json.loads(json.dumps(landed.facts())) == landed.facts()
    assert landed.facts()["day"] == "2026-01-01"


def test_a_snapshot_of_another_day_is_marked_as_of_now(api: Api, store: Store) -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    for day, marked in ((date(2026, 1, 2), None), (DAY, noon)):
        landed = extract(POSTS, day, Endpoint(api.url), store, SETTINGS, clock=lambda: noon)
        head = store.head(landed.key)
        assert head is not None
        assert (landed.as_of, head.as_of) == (marked, marked)
    assert landed.facts()["as_of"] == "2026-01-02T12:00:00+00:00"


def _window(api: Api, store: Store, source: Source = EARTHQUAKES, hour: int = 24) -> ExtractResult:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    return extract(source, DAY, Endpoint(api.url), store, SETTINGS, clock=lambda: moment)


def test_a_window_has_the_records_of_its_day_and_is_put_again_only_if_they_differ(
    api: Api, store: Store
) -> None:
    records = Earthquakes(1).of_day(DAY)
    landed = _window(api, store)
    opened = store.open(landed.key)
    assert opened is not None
    assert json.loads(b"".join(opened.blocks())) == records
    assert (landed.key, landed.as_of) == ("raw/earthquakes/2026-01-01.json", None)
    assert not _window(api, store, hour=2400).is_new, "what is around the records does not count"
    api.switches = ApiSwitches(corrected={records[0]["id"]: {"mag": 9.1}})
    assert _window(api, store).is_new
    assert versions(store) == 2


def test_a_window_that_has_not_ended_is_refused_before_anything_is_asked(
    api: Api, store: Store
) -> None:
    with pytest.raises(InvalidInputError, match="2026-01-01 has not ended"):
        _window(api, store, hour=23)
    assert not api.requests


def test_an_empty_window_is_an_answer_where_it_is_declared(api: Api, store: Store) -> None:
    api.switches = ApiSwitches(unknown=[one["id"] for one in Earthquakes(1).of_day(DAY)])
    with pytest.raises(InvalidDataError, match="got an empty list"):
        _window(api, store)
    landed = _window(api, store, replace(EARTHQUAKES, allows_empty=True))
    assert (landed.rows, landed.bytes) == (0, 4)


def test_the_days_of_a_run_land_one_by_one_the_latest_first(api: Api, store: Store) -> None:
    days = [DAY, date(2025, 12, 31), date(2025, 12, 30)]
    facts = extract_days(EARTHQUAKES, days, Endpoint(api.url), store, SETTINGS)
    asked = [request.query["starttime"][:10] for request in api.requests]
    assert asked == ["2026-01-01", "2025-12-31", "2025-12-30"]
    assert facts["day"] == "2026-01-01"
    assert [one["day"] for one in facts["earlier_days"]] == asked[1:]
    one = extract_days(EARTHQUAKES, [DAY], Endpoint(api.url), store, SETTINGS)
    assert "earlier_days" not in one


def test_the_same_answer_again_puts_nothing(api: Api, store: Store) -> None:
    first, second = land(api, store), land(api, store)
    assert (first.is_new, second.is_new) == (True, False)
    assert (first.sha256, first.version_id) == (second.sha256, second.version_id)
    assert versions(store) == 1


def test_another_answer_is_another_version_of_the_same_key(api: Api, store: Store) -> None:
    first = land(api, store)
    api.switches = ApiSwitches(edited={3: {"title": "mended"}}, deleted=[7])
    second = land(api, store)
    assert (second.key, second.rows, second.is_new) == (first.key, 24, True)
    assert versions(store) == 2
    assert json.loads(body(store))[2]["title"] == "mended"


@pytest.mark.parametrize("limit", [1, 7, 10, 25, 100])
def test_pages_land_as_the_unpaged_list_does(api: Api, store: Store, limit: int) -> None:
    unpaged = land(api, store)
    paged = land(api, store, replace(POSTS, path=f"/posts?_page=1&_limit={limit}"))
    assert (paged.sha256, paged.is_new) == (unpaged.sha256, False)


def test_a_page_that_broke_off_is_whole_in_the_end(api: Api, store: Store) -> None:
    expected = land(api, store).sha256
    api.switches = ApiSwitches(skip=1, times=1, cut=700)
    source = replace(POSTS, path="/posts?_page=1&_limit=10")
    assert land(api, store, source).sha256 == expected


def test_numbers_escapes_and_text_stay_as_they_were_sent(api: Api, store: Store) -> None:
    record = rb'{"id":1,"n":[1.10,1e5,-0,' + b"8" * 5000 + rb'],"s":"\u00e9\/\ud800","id":2}'
    text = "数据 🚀 שלום"
    api.switches = ApiSwitches(body=f'[\n  {record.decode()},\n  {{"t":\n"{text}"}} ]')
    land(api, store)
    assert body(store) == b"[\n" + record + b',\n{"t":"' + text.encode() + b'"}\n]\n'


def test_an_empty_list_lands_only_where_it_is_an_answer(api: Api, store: Store) -> None:
    api.switches = ApiSwitches(posts=0)
    with pytest.raises(InvalidDataError, match=f"{api.url}/posts: expected records, got an empty"):
        land(api, store)
    assert not list(store.list(""))

    lenient = replace(POSTS, allows_empty=True)
    assert land(api, store, lenient).rows == 0
    assert body(store) == b"[\n]\n"


def test_an_answer_cut_at_any_byte_lands_nothing(api: Api, store: Store) -> None:
    api.switches = ApiSwitches(posts=1)
    size = len(requests.get(f"{api.url}/posts", timeout=5).content)
    for cut in range(size):
        # Without a length only the JSON itself shows that the rest is missing.
        api.switches = ApiSwitches(posts=1, cut=cut, framing="close")
        with pytest.raises(InvalidDataError) as caught:
            land(api, store)
        assert cut - 3 <= int(str(caught.value).split(" byte ")[1].split()[0].rstrip(",:")) <= cut
    assert len(api.requests) == size + 1
    assert not list(store.list(""))


def test_an_answer_that_lies_about_its_length_lands_nothing(api: Api, store: Store) -> None:
    size = len(requests.get(f"{api.url}/posts", timeout=5).content)
    api.switches = ApiSwitches(content_length=size - 5)
    with pytest.raises(InvalidDataError, match=f"byte {size - 5}"):
        land(api, store)
    api.switches = ApiSwitches(content_length=size + 5, cut=size)
    with pytest.raises(UnavailableError, match=f"broke off at byte {size}"):
        land(api, store)
    assert not list(store.list(""))


def test_a_failing_bucket_is_unavailable(api: Api, store: Store) -> None:
    with pytest.raises(UnavailableError, match="s3://no-such-bucket/raw/posts/"):
        land(api, Store(store.client, "no-such-bucket"))


def _shifting(changes: int) -> SwitchableServer[Switches]:
    """Return an API whose list grows with each of its first requests, in pages of two."""
    requests_seen: list[int] = []

    def answer(request: Request, _: Switches) -> Answer:
        requests_seen.append(1)
        count = 4 + min(len(requests_seen), changes)
        start = int(request.query["offset"])
        posts = [{"userId": 1, "id": n, "title": "t", "body": "b"} for n in range(count)]
        total = {"Content-Type": JSON, "X-Total-Count": str(count)}
        return Answer(json.dumps(posts[start : start + 2]).encode(), headers=total)

    return SwitchableServer(("127.0.0.1", 0), answer, Switches)


def test_a_list_that_changed_while_it_was_paged_is_fetched_again_and_then_refused(
    store: Store,
) -> None:
    source = replace(POSTS, paginator=offset(limit=2))
    with running(_shifting(changes=2)) as api:
        landed = extract(source, DAY, Endpoint(api.url), store, SETTINGS)
        assert [request.query["offset"] for request in api.requests] == ["0", "2", "0", "2", "4"]
    assert landed.rows == 6
    assert [record["id"] for record in json.loads(body(store))] == [*range(6)]
    with running(_shifting(changes=100)) as api:
        with pytest.raises(InvalidDataError, match="the total changed from 7 to 8"):
            extract(source, date(2026, 1, 2), Endpoint(api.url), store, SETTINGS)
        assert len(api.requests) == 4
    assert store.head(raw_key("posts", date(2026, 1, 2))) is None
