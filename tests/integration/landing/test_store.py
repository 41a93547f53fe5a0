"""The client of the object store, against a real S3 API."""

import io

import pytest

from scripts.landing.store import Store

pytestmark = pytest.mark.integration


def test_an_object_comes_back_as_it_was_put_with_its_sha256_and_version(store: Store) -> None:
    version = store.put("raw/posts/2026-01-01.json", io.BytesIO(b"[\n]\n"), "ab" * 32)

    opened = store.open("raw/posts/2026-01-01.json")

    assert opened is not None
    assert b"".join(opened.blocks(2)) == b"[\n]\n"
    assert (opened.sha256, opened.version_id) == ("ab" * 32, version)
    assert [row.key for row in store.list("raw/posts/")] == ["raw/posts/2026-01-01.json"]
    assert next(iter(store.list("raw/"))) == opened.info


def test_an_absent_object_is_none_and_not_an_error(store: Store) -> None:
    assert store.open("raw/posts/2026-01-01.json") is None
    assert store.head("raw/posts/2026-01-01.json") is None
