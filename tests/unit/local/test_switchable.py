"""The server injects a fault as often as requested, and shows which requests it received."""

import time
from typing import Literal

import pytest
import requests

from local.stand_in_api import ApiSwitches
from tests.unit.local.conftest import Api, get

pytestmark = pytest.mark.unit


def test_a_fault_strikes_as_often_as_requested(api: Api) -> None:
    faults = {"skip": 1, "times": 2, "status": 429, "retry_after": 3}
    requests.put(f"{api.url}/_switches", json=faults, timeout=5).raise_for_status()

    answers = [get(api, "/posts") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "3"
    seen = requests.get(f"{api.url}/_requests", timeout=5).json()
    assert [(r["method"], r["path"], r["query"]) for r in seen] == [("GET", "/posts", {})] * 4
    assert sorted(r["at"] for r in seen) == [r["at"] for r in seen]


def test_an_unknown_switch_is_refused(api: Api) -> None:
    answer = requests.put(f"{api.url}/_switches", json={"statsu": 500}, timeout=5)
    assert answer.status_code == 400
    assert "statsu" in answer.text


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_cut_is_noticed_where_the_framing_tells(
    api: Api, framing: Literal["chunked", "length"]
) -> None:
    api.switches = ApiSwitches(cut=100, framing=framing)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(api, "/posts")


@pytest.mark.parametrize(
    "faults",
    [ApiSwitches(cut=100, framing="close"), ApiSwitches(cut=100, content_length=100)],
    ids=["close", "lying length"],
)
def test_a_cut_goes_unnoticed_where_the_framing_does_not(api: Api, faults: ApiSwitches) -> None:
    api.switches = faults
    assert len(get(api, "/posts").content) == 100


def test_delay_and_drip_take_their_time(api: Api) -> None:
    api.switches = ApiSwitches(delay=0.2)
    assert get(api, "/posts").elapsed.total_seconds() >= 0.2
    api.switches = ApiSwitches(body="x" * 640, drip=0.02)
    started = time.monotonic()
    assert get(api, "/posts").text == "x" * 640
    assert time.monotonic() - started >= 0.2


def test_the_switches_are_shown_and_reset(api: Api) -> None:
    url = f"{api.url}/_switches"
    requests.put(url, json={"skip": 2, "status": 500}, timeout=5).raise_for_status()
    assert get(api, "/posts").status_code == 200
    shown = get(api, "/_switches").json()
    assert (shown["skip"], shown["status"]) == (1, 500)
    assert requests.delete(url, timeout=5).json()["status"] is None
    assert api.switches == ApiSwitches()


def test_a_request_for_the_switches_itself_never_fails_and_is_not_recorded(api: Api) -> None:
    api.switches = ApiSwitches(drop=True)
    assert get(api, "/_switches").json()["drop"] is True
    assert get(api, "/_requests").json() == []
    assert get(api, "/_unknown").status_code == 404
