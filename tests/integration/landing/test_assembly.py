"""S3 joins versions of objects, and the whole appears at once."""

import io
from hashlib import sha256
from typing import Any

import pytest

from scripts.errors import UnavailableError
from scripts.landing.assembly import LEAST_BYTES, assemble
from scripts.landing.store import ObjectHead, Store

pytestmark = pytest.mark.integration

KEY = "raw/posts/2026-01-31.json"
MIB = 1024**2


def part(store: Store, number: int, size: int) -> tuple[ObjectHead, bytes]:
    body = bytes([number]) * size
    key = f"parts/posts/2026-01-31/{number:04}.json"
    store.put(key, io.BytesIO(body), sha256(body).hexdigest())
    head = store.head(key)
    assert head is not None
    return head, body


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0, 0],
        [3],
        [LEAST_BYTES],
        [6 * MIB, MIB, 7 * MIB],
        [MIB, MIB, 11 * MIB, 0, 2 * MIB],
    ],
    ids=str,
)
def test_versions_are_joined_in_order_and_described(store: Store, sizes: list[int]) -> None:
    parts = [part(store, number, size) for number, size in enumerate(sizes)]
    expected = b"".join(body for _, body in parts) + b"tail"
    digest = sha256(expected).hexdigest()
    part(store, 0, 9)  # a newer version is not the one that is joined

    version = assemble(store, KEY, [head for head, _ in parts], b"tail", (digest, None, "e"))

    opened = store.open(KEY)
    assert opened is not None
    assert b"".join(opened.blocks()) == expected
    assert (opened.version_id, opened.sha256, opened.parent_etag) == (version, digest, "e")
    assert store.abort_uploads("") == 0


@pytest.mark.parametrize("method", ["upload_part", "upload_part_copy", "complete_multipart_upload"])
def test_nothing_appears_if_it_fails_anywhere(
    store: Store, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    head, _ = part(store, 1, 6 * MIB)

    def refuse(**_: Any) -> Any:
        assert store.head(KEY) is None
        raise store.client.exceptions.NoSuchUpload({"Error": {"Code": "NoSuchUpload"}}, method)

    monkeypatch.setattr(store.client, method, refuse)
    with pytest.raises(UnavailableError, match="NoSuchUpload"):
        assemble(store, KEY, [head], b"tail", ("0" * 64, None, None))
    assert store.head(KEY) is None
    assert store.abort_uploads("") == 0, "its parts were left"


def test_a_version_that_is_gone_is_named(store: Store) -> None:
    head, _ = part(store, 1, 6 * MIB)
    store.delete_versions(list(store.versions("parts/")))
    with pytest.raises(UnavailableError, match=f"copy a part of s3://{store.bucket}/{KEY}"):
        assemble(store, KEY, [head], b"", ("0" * 64, None, None))
    assert store.head(KEY) is None
