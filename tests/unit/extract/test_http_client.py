"""A private address is refused before a byte is sent, for any name that resolves to it."""

import socket
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running
from scripts.errors import ConfigurationError, UnavailableError
from scripts.extract.budget import Budget
from scripts.extract.http_client import Client
from scripts.extract.pages import fetch_pages
from scripts.settings import Endpoint, RunSettings
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit
Api = SwitchableServer[ApiSwitches]


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(3, 1)) as server:
        yield server


def fetch(url: str, *, is_private_allowed: bool, **changes: float) -> None:
    endpoint = Endpoint(url, is_private_allowed=is_private_allowed)
    settings = RunSettings(http_retries=1, http_backoff=0.01, **changes)
    for page in fetch_pages(endpoint, POSTS, date(2026, 1, 2), settings):
        for attempt in page.attempts():
            with attempt:
                list(page.records())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_a_private_address_is_refused_at_once_under_every_name(api: Api, host: str) -> None:
    url = api.url.replace("127.0.0.1", host)
    with pytest.raises(ConfigurationError, match=r"(127\.0\.0\.1|::1).*PIPELINE_ALLOW_PRIVATE_API"):
        fetch(url, is_private_allowed=False)
    assert not api.requests

    fetch(url, is_private_allowed=True)
    assert len(api.requests) == 1


def test_a_name_that_changes_its_address_does_not_slip_through(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first lookup returns a public address, the next one a private address."""
    port = int(api.url.rsplit(":", 1)[1])
    asked = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        address = host if host[0].isdecimal() else ("1.1.1.1", "127.0.0.1")[len(asked) > 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises((ConfigurationError, UnavailableError)):
        fetch(f"http://rebinding.example:{port}", is_private_allowed=False)
    assert asked[:2] == ["rebinding.example", "1.1.1.1"], "the address that was checked is used"
    assert not api.requests


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"]
)
def test_open_and_closed_private_ports_look_the_same(api: Api, host: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = [int(api.url.rsplit(":", 1)[1]), closed.getsockname()[1]]
        messages = []
        for port in ports:
            with pytest.raises(ConfigurationError, match="not a public address") as caught:
                fetch(f"http://{host}:{port}", is_private_allowed=False)
            messages.append(str(caught.value).replace(str(port), "port"))
    assert messages[0] == messages[1]
    assert not api.requests


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
@pytest.mark.parametrize("is_private_allowed", [True, False])
def test_a_name_that_cannot_be_one_is_called_that(host: str, is_private_allowed: bool) -> None:
    with pytest.raises(ConfigurationError, match="its host name is not valid"):
        fetch(f"http://{host}/posts", is_private_allowed=is_private_allowed)


def test_a_private_proxy_is_named_as_what_it_is(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", api.url)
    with pytest.raises(ConfigurationError, match="through a proxy with a private address"):
        fetch("http://api.example", is_private_allowed=False)
    assert not api.requests


@pytest.mark.parametrize(("login", "warnings"), [(("u", "pl4nted-pw"), 1), (None, 0)])
def test_secrets_without_encryption_are_worth_a_word(
    caplog: pytest.LogCaptureFixture, login: tuple[str, str] | None, warnings: int
) -> None:
    settings, endpoint = RunSettings(), Endpoint("http://api.example", login=login)
    Client(settings, POSTS, endpoint, Budget(settings, POSTS.api)).close()

    said = [record.message for record in caplog.records]
    assert said == ["connection posts_api sends its secrets without encryption"] * warnings


def test_a_deadline_that_is_over_before_the_next_page_is_named(api: Api) -> None:
    with pytest.raises(UnavailableError, match="within 1e-09 s"):
        fetch(api.url, is_private_allowed=True, total_timeout=1e-9)


def test_the_environment_alone_opens_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINE_ALLOW_PRIVATE_API")
    assert not Endpoint("http://127.0.0.1").is_private_allowed
    monkeypatch.setenv("PIPELINE_ALLOW_PRIVATE_API", "true")
    assert Endpoint("http://127.0.0.1").is_private_allowed
