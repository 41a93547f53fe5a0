"""From a failing API to a real bucket: the complete answer lands, or nothing and a clear error.

Tests with many cases run in process. Tests of the exit status use the command line.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import pytest
import requests

from local.ministack import MiniStack
from local.processes import free_port
from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running
from scripts.errors import InvalidDataError, UnavailableError
from scripts.extract.extract import ExtractResult, extract
from scripts.landing.keys import raw_key
from scripts.landing.store import ObjectHead, Store
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.integration
Api = SwitchableServer[ApiSwitches]
DAY = date(2026, 1, 1)
SETTINGS = RunSettings(http_backoff=0.01, http_retries=1, read_timeout=2, total_timeout=30)
SECRET = "s3cr3t-of-the-test"


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(25, 1)) as server:
        yield server


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
        next(store.list("raw/")), landed.version_id, landed.sha256
    )
    assert json.loads(json.dumps(landed.facts())) == landed.facts()
    assert landed.facts()["day"] == "2026-01-01"


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
    paged = land(api, store, Source("posts", f"/posts?_page=1&_limit={limit}", POSTS.contract))
    assert (paged.sha256, paged.is_new) == (unpaged.sha256, False)


def test_a_page_that_broke_off_is_whole_in_the_end(api: Api, store: Store) -> None:
    expected = land(api, store).sha256
    api.switches = ApiSwitches(skip=1, times=1, cut=700)
    source = Source("posts", "/posts?_page=1&_limit=10", POSTS.contract)
    assert land(api, store, source).sha256 == expected


def test_numbers_escapes_and_text_stay_as_they_were_sent(api: Api, store: Store) -> None:
    record = rb'{"id":1,"n":[1.10,1e5,-0,' + b"8" * 5000 + rb'],"s":"\u00e9\/\ud800","id":2}'
    text = "数据 🚀 שלום"
    api.switches = ApiSwitches(body=f'[\n  {record.decode()},\n  {{"t":\t"{text}"}} ]')
    land(api, store)
    assert body(store) == b"[\n" + record + b',\n{"t":"' + text.encode() + b'"}\n]\n'


def test_an_empty_list_lands_only_where_it_is_an_answer(api: Api, store: Store) -> None:
    api.switches = ApiSwitches(posts=0)
    with pytest.raises(InvalidDataError, match=f"{api.url}/posts: expected records, got an empty"):
        land(api, store)
    assert not list(store.list(""))

    lenient = Source("posts", "/posts", POSTS.contract, allows_empty=True)
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


def run(
    api_url: str, store: Store, ministack: MiniStack, *arguments: str, **settings: Any
) -> subprocess.CompletedProcess[str]:
    fast = {"http_backoff": 0.01, "http_retries": 1, "total_timeout": 20, **settings}
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "POSTS_API_URL": api_url,
        "LANDING_BUCKET": store.bucket,
        "PIPELINE_ALLOW_PRIVATE_API": "true",
        "AWS_ENDPOINT_URL": ministack.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AIRFLOW_VAR_PIPELINE": json.dumps(fast),
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.extract", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_by_hand_it_lands_and_says_what(api: Api, store: Store, ministack: MiniStack) -> None:
    first = run(api.url, store, ministack, "posts", "--day", "2026-01-01")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith(f"landed s3://{store.bucket}/raw/posts/2026-01-01.json: 25 rows")
    assert len(first.stdout.splitlines()) == 1

    again = run(f"{api.url}/posts", store, ministack, "posts", "--day", "2026-01-01")
    assert again.stdout.startswith("unchanged")
    assert versions(store) == 1


def test_by_hand_the_day_is_today_unless_it_is_named(
    api: Api, store: Store, ministack: MiniStack
) -> None:
    before = datetime.now(UTC).date()
    assert run(api.url, store, ministack, "posts").returncode == 0
    days = {before, datetime.now(UTC).date()}
    assert {row.key for row in store.list("")} <= {raw_key("posts", day) for day in days}


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"cut": 0, "framing": "close"}, "at byte 0"),
        ({"cut": 1000, "framing": "close"}, "byte 1000"),
        ({"cut": 1000}, "broke off at byte 1000"),
        ({"body": "not JSON"}, "expected a JSON array"),
        ({"body": "<html>", "headers": {"Content-Type": "text/html"}}, "got b'<' at byte 0"),
        ({"body": "{}"}, "got b'{' at byte 0"),
        ({"status": 500}, "got 500"),
        ({"endless": True}, "at most 3000000 bytes"),
        ({"drip": 0.2}, "within 1 s"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_by_hand_a_bad_answer_is_status_2_one_line_and_no_object(
    api: Api, store: Store, ministack: MiniStack, faults: dict[str, Any], says: str
) -> None:
    api.switches = ApiSwitches(**faults)
    limits = {"max_bytes": 3_000_000, "total_timeout": 1 if "drip" in faults else 20}
    url = f"{api.url.replace('://', f'://me:{SECRET}@')}/?api_key={SECRET}"

    done = run(url, store, ministack, "posts", "--day", "2026-01-01", **limits)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
    assert f"{api.url}/posts?api_key=***: " in done.stderr
    assert SECRET not in done.stderr
    assert api.requests, "the fault took no effect"
    assert not list(store.list(""))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["psts"], "declared: comments, posts, users"),
        (["posts", "--day", "yesterday"], "YYYY-MM-DD"),
        (["posts"], "Connection refused"),
    ],
)
def test_by_hand_bad_input_is_status_2_and_one_line(
    store: Store, ministack: MiniStack, arguments: list[str], says: str
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    done = run(nobody, store, ministack, *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert says in done.stderr
    assert not list(store.list(""))
