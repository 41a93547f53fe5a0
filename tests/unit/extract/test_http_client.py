"""A private address is refused before a byte is sent, for any name that resolves to it."""

import socket
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running
from scripts.errors import ConfigurationError
from scripts.extract.http_client import is_public
from scripts.extract.pages import fetch_pages
from scripts.settings import Endpoint, RunSettings
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit
Api = SwitchableServer[ApiSwitches]


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(3, 1)) as server:
        yield server


def fetch(url: str, *, is_private_allowed: bool) -> None:
    endpoint = Endpoint(url, is_private_allowed=is_private_allowed)
    settings = RunSettings(http_retries=1, http_backoff=0.01)
    for page in fetch_pages(endpoint, POSTS, date(2026, 1, 2), settings):
        for attempt in page.attempts():
            with attempt:
                list(page.records())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_a_private_address_is_refused_at_once_under_every_name(api: Api, host: str) -> None:
    url = api.url.replace("127.0.0.1", host)
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1.*PIPELINE_ALLOW_PRIVATE_API"):
        fetch(url, is_private_allowed=False)
    assert not api.requests

    fetch(url, is_private_allowed=True)
    assert len(api.requests) == 1


def test_a_name_that_changes_its_address_does_not_slip_through(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first lookup returns a public address, the next one a private address."""
    port = int(api.url.rsplit(":", 1)[1])
    answers = iter(["203.0.113.7", "127.0.0.1"])

    def resolve(*_: Any, **__: Any) -> list[Any]:
        address = next(answers, "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    socket.getaddrinfo("rebinding.example", port)  # the look that a check before would take
    with pytest.raises(ConfigurationError, match="not a public address"):
        fetch(f"http://rebinding.example:{port}", is_private_allowed=False)
    assert not api.requests


def test_a_private_proxy_is_named_as_what_it_is(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", api.url)
    with pytest.raises(ConfigurationError, match="through a proxy with a private address"):
        fetch("http://api.example", is_private_allowed=False)
    assert not api.requests


def test_the_environment_alone_opens_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINE_ALLOW_PRIVATE_API")
    assert not Endpoint("http://127.0.0.1").is_private_allowed
    monkeypatch.setenv("PIPELINE_ALLOW_PRIVATE_API", "true")
    assert Endpoint("http://127.0.0.1").is_private_allowed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "104.21.64.1", "2606:4700::1", "::ffff:1.1.1.1"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)
