"""An object is rewritten without the records: the others keep their bytes."""

import io

import pytest

from scripts.erase.from_landing import _copy_others
from scripts.erase.wanted import Wanted
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit

SEVEN = Wanted.of_key(POSTS, "7")


@pytest.mark.parametrize(
    ("records", "kept"),
    [
        ([b'{"id":7}'], b"[\n]\n"),
        ([b'{"id":6}', b'{"id":7}'], b'[\n{"id":6}\n]\n'),
        ([b'{"id":7}', b'{"id": 8}', b"9", b'{"id":7}'], b'[\n{"id": 8},\n9\n]\n'),
    ],
)
def test_the_other_records_keep_their_bytes(records: list[bytes], kept: bytes) -> None:
    into = io.BytesIO()
    left, removed = _copy_others(records, SEVEN, into)
    assert left + removed == len(records)
    assert into.getvalue() == kept
