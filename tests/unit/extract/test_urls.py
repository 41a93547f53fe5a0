"""URLs are followed only within their origin, and shown without credentials."""

import pytest

from scripts.errors import ConfigurationError, InvalidDataError
from scripts.extract.urls import followed, is_readable_on_the_way, list_url, shown

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h", "/posts", "https://h/posts"),
        ("https://h/", "/posts", "https://h/posts"),
        ("https://h/v1/", "/posts", "https://h/v1/posts"),
        ("https://h/v1/posts", "/posts", "https://h/v1/posts"),
        ("https://h/posts/", "/posts?_page=1", "https://h/posts?_page=1"),
        ("https://h/reposts", "/posts", "https://h/reposts/posts"),
        ("http://h:81/v1?key=k", "/posts?_limit=2", "http://h:81/v1/posts?_limit=2&key=k"),
        (" https://h\n", "/posts", "https://h/posts"),
    ],
)
def test_a_list_stands_below_the_base_or_is_the_base(base: str, path: str, url: str) -> None:
    assert list_url(base, path) == (url, None)


def test_a_login_in_the_base_is_taken_out_of_it() -> None:
    expected = ("https://h:8443/posts", ("me", "p@ss"))
    assert list_url("https://me:p%40ss@h:8443", "/posts") == expected


@pytest.mark.parametrize("base", ["h/posts", "ftp://h", "https://", "http://h:port", "//h", ""])
def test_what_is_no_base_url_is_refused_without_repeating_it(base: str) -> None:
    with pytest.raises(ConfigurationError, match="https://host/path"):
        list_url(base, "/posts")


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("?_page=2", "https://h/v1/posts?_page=2"),
        ("/other", "https://h/other"),
        ("https://h:443/x#part", "https://h:443/x"),
        ("//h/x", "https://h/x"),
        ("HTTPS://H/x", "HTTPS://H/x"),
        ("http://h/v1/posts?_page=2", "https://h/v1/posts?_page=2"),  # behind a proxy that ends TLS
        ("http://H:80/x", "https://h/x"),
        ("http://h:443/x", "https://h/x"),
    ],
)
def test_a_reference_within_the_origin_is_followed(reference: str, target: str) -> None:
    assert followed("https://h/v1/posts?_page=1", reference).lower() == target.lower()


@pytest.mark.parametrize(
    "reference",
    [
        "http://h:81/x",
        "https://h:444/x",
        "https://h.evil/x",
        "//evil/x",
        "file:///etc/passwd",
        "https://h@evil/x",
        "https://me:pw@h/x",
        "https://h:port/x",
        "https://[::1/x",
    ],
)
def test_a_reference_out_of_the_origin_is_refused(reference: str) -> None:
    with pytest.raises(InvalidDataError, match="credentials must not leave"):
        followed("https://h/v1/posts", reference)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/bot123456:AAF-s3cr3t_tok3n/getUpdates", "https://h/***/getUpdates"),
        ("https://h/v1/0123456789abcdef0123456789abcdef/posts", "https://h/v1/***/posts"),
        ("https://h/v2/customers-and-suppliers/2026-01-31", None),
        ("https://h/rest/v1/orders.json", None),
    ],
)
def test_a_token_in_the_path_is_not_shown(url: str, expected: str | None) -> None:
    assert shown(url) == (expected or url)


def test_what_is_shown_keeps_pages_and_hides_secrets() -> None:
    url = "https://me:pw@h:81/v1/posts?_page=2&api_key=s3cr3t&cursor=abc&_limit=5"
    assert shown(url) == "https://h:81/v1/posts?_page=2&api_key=***&cursor=***&_limit=5"


def test_a_tls_proxy_on_its_own_port_is_kept() -> None:
    assert followed("https://h:8443/a", "http://h:8443/b") == "https://h:8443/b"


@pytest.mark.parametrize(
    ("url", "reference", "named"),
    [
        ("https://h/a", "http://h:8080/b", "http://h:8080, but our credentials must not leave "),
        ("https://h:8443/a", "http://h/b", "http://h:80, but .* must not leave https://h:8443"),
        ("http://h/a", "https://h/b", "https://h:443, but .* must not leave http://h:80"),
        ("https://h/a", "http://other/b", "http://other:80, "),
        ("https://h/a", "http://me:pw@h/b", "http://h:80, "),
    ],
)
def test_both_places_are_named_when_a_link_leaves(url: str, reference: str, named: str) -> None:
    with pytest.raises(InvalidDataError, match=named) as caught:
        followed(url, reference)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_readable"),
    [
        ("http://api.example/posts", True),
        ("http://10.0.0.1", True),
        ("https://api.example", False),
        ("http://localhost:8080", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]", False),
    ],
)
def test_only_without_tls_and_off_this_machine_can_others_read(url: str, is_readable: bool) -> None:
    assert is_readable_on_the_way(url) is is_readable
