"""The faults as values: each changes what it names, and without a fault no byte changes."""

import gzip
from itertools import islice

import pytest
import requests

from local.stand_in_api import ApiSwitches
from local.switches import JSON, Answer, Switches, altered, cut
from tests.unit.local.conftest import Api, get

pytestmark = pytest.mark.unit

_ANSWER = Answer(b'{"id": 1}', 200, {"Content-Type": JSON, "ETag": '"1"'})


def test_bodies_connections_and_encodings_can_be_replaced(api: Api) -> None:
    api.switches = ApiSwitches(body="<html>", headers={"Content-Type": "text/html"})
    html = get(api, "/posts")
    assert (html.text, html.headers["Content-Type"]) == ("<html>", "text/html")

    api.switches = ApiSwitches(gzip=True)
    assert len(get(api, "/posts").json()) == 25

    api.switches = ApiSwitches(drop=True)
    with pytest.raises(requests.ConnectionError):
        get(api, "/posts")

    api.switches = ApiSwitches(endless=True)
    endless = get(api, "/posts", stream=True)
    assert len(endless.raw.read(3_000_000)) == 3_000_000
    endless.close()


def test_without_a_fault_nothing_changes() -> None:
    assert altered(_ANSWER, Switches()) == _ANSWER
    assert list(cut([b"abc", b"", b"de"], None)) == [b"abc", b"", b"de"]
    assert not Switches().replaces


def test_status_and_headers_override_those_of_the_answer() -> None:
    faults = Switches(status=503, retry_after="soon", headers={"ETag": '"2"', "X-A": "b"})
    found = altered(_ANSWER, faults)
    assert (found.status, found.body) == (503, _ANSWER.body)
    assert found.headers == {
        "Content-Type": JSON,
        "ETag": '"2"',
        "X-A": "b",
        "Retry-After": "soon",
    }
    assert _ANSWER.headers["ETag"] == '"1"'  # the answer itself is unchanged


def test_a_compressed_body_is_the_same_body_and_is_declared() -> None:
    found = altered(_ANSWER, Switches(gzip=True))
    assert not isinstance(found.body, bytes)
    assert gzip.decompress(b"".join(found.body)) == _ANSWER.body
    assert found.headers["Content-Encoding"] == "gzip"


def test_an_endless_body_begins_as_an_array_of_records() -> None:
    body = altered(_ANSWER, Switches(endless=True)).body
    assert not isinstance(body, bytes)
    first, *records = islice(body, 3)
    assert first == b"[\n"
    assert all(block.endswith(b"},\n") for block in records)


@pytest.mark.parametrize(
    ("at", "sent"), [(0, b""), (2, b"ab"), (3, b"abc"), (4, b"abcd"), (5, b"abcde"), (9, b"abcde")]
)
def test_a_cut_sends_exactly_that_many_bytes(at: int, sent: bytes) -> None:
    assert b"".join(cut([b"abc", b"de"], at)) == sent


@pytest.mark.parametrize(
    "faults", [Switches(status=500), Switches(body=""), Switches(endless=True)]
)
def test_an_answer_that_a_fault_replaces_is_not_generated(faults: Switches) -> None:
    assert faults.replaces
