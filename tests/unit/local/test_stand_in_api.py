"""The stand-in API keeps the public API's contract."""

import http.client
import json
import tracemalloc

import pytest
import requests

from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import running
from tests.unit.local.conftest import Api, get

pytestmark = pytest.mark.unit


def test_posts_have_the_public_shape_and_formatting(api: Api) -> None:
    answer = get(api, "/posts")
    posts = answer.json()

    assert [post["id"] for post in posts] == list(range(1, 26))
    assert all(list(post) == ["userId", "id", "title", "body"] for post in posts)
    assert all(post["userId"] == (post["id"] - 1) // 10 + 1 for post in posts)
    assert all("\n" in post["body"] for post in posts)
    assert answer.content.decode() == json.dumps(posts, indent=2, ensure_ascii=False)
    assert "X-Total-Count" not in answer.headers
    assert "Link" not in answer.headers


def test_no_post_is_an_empty_array_and_a_million_are_streamed() -> None:
    with running(stand_in(0, 1)) as empty:
        assert get(empty, "/posts").json() == []
    with running(stand_in(1_000_000, 1)) as big:
        tracemalloc.start()
        answer = get(big, "/posts", stream=True)
        assert len(answer.raw.read(5_000_000)) == 5_000_000
        answer.close()
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
        tracemalloc.stop()


def test_pages_are_counted_and_linked(api: Api) -> None:
    second = get(api, "/posts?_page=2&_limit=10")
    assert [post["id"] for post in second.json()] == list(range(11, 21))
    assert second.headers["X-Total-Count"] == "25"
    assert {rel: link["url"] for rel, link in second.links.items()} == {
        rel: f"{api.url}/posts?_page={page}&_limit=10"
        for rel, page in {"first": 1, "prev": 1, "next": 3, "last": 3}.items()
    }
    assert "next" not in get(api, "/posts?_page=3&_limit=10").links
    assert len(get(api, "/posts?_limit=4").json()) == 4


def test_past_the_end_is_an_empty_page_with_an_empty_link(api: Api) -> None:
    past = get(api, "/posts?_page=9&_limit=10")
    assert (past.status_code, past.json(), past.headers["Link"]) == (200, [], "")


def test_an_etag_answers_not_modified_until_the_data_change(api: Api) -> None:
    etag = get(api, "/posts").headers["ETag"]
    again = get(api, "/posts", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    api.switches = ApiSwitches(deleted=[3])
    assert get(api, "/posts", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("path", ["/posts/26", "/posts/0", "/posts/x", "/nothing", "/"])
def test_what_is_unknown_is_404_and_an_empty_object(api: Api, path: str) -> None:
    answer = get(api, path)
    assert (answer.status_code, answer.json()) == (404, {})


def test_users_and_comments_refer_to_the_posts(api: Api) -> None:
    users, comments = get(api, "/users").json(), get(api, "/comments").json()
    assert [user["id"] for user in users] == [1, 2, 3]
    assert len(comments) == 125
    assert {comment["postId"] for comment in comments} == set(range(1, 26))
    assert get(api, "/comments/7").json() == comments[6]


def test_data_can_change_at_run_time(api: Api) -> None:
    edit = {"edited": {"2": {"title": "new", "extra": [1]}}, "deleted": [1, 25]}
    assert requests.put(f"{api.url}/_switches", json=edit, timeout=5).ok
    posts = get(api, "/posts").json()
    assert [post["id"] for post in posts] == list(range(2, 25))
    assert (posts[0]["title"], posts[0]["extra"]) == ("new", [1])
    assert get(api, "/posts/1").status_code == 404
    assert {comment["postId"] for comment in get(api, "/comments").json()} == set(range(2, 25))
    requests.delete(f"{api.url}/_switches", timeout=5)
    assert len(get(api, "/posts").json()) == 25


def test_an_unknown_method_is_404(api: Api) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.server_address[1], timeout=5)
    connection.request("DELETE", "/posts/1")
    assert connection.getresponse().status == 404
    connection.close()


QUERY = "/fdsnws/event/1/query?format=geojson&minmagnitude=2.5"


def test_earthquakes_of_a_window_are_counted_outside_of_them(api: Api) -> None:
    window = "&starttime=2026-01-31T00:00:00.000000&endtime=2026-01-31T23:59:59.999999"
    answer = get(api, QUERY + window).json()
    ids = [one["id"] for one in answer["features"]]
    assert answer["metadata"]["count"] == len(ids)
    assert all(one.startswith("st20260131") for one in ids)
    api.switches = ApiSwitches(unknown=ids[:1], corrected={ids[1]: {"mag": 9.5}})
    first, *others = get(api, QUERY + window).json()["features"]
    assert (first["id"], first["properties"]["mag"]) == (ids[1], 9.5)
    assert len(others) == len(ids) - 2


@pytest.mark.parametrize("query", ["", "&starttime=2026-01-31", "&starttime=1&endtime=2026-01-31"])
def test_a_window_that_is_no_window_is_a_bad_request(api: Api, query: str) -> None:
    assert get(api, QUERY + query).status_code == 400
