"""The benchmark's objects hold the documented content."""

from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks.objects import DAY, Objects, key, store
from scripts.landing.json_array import Batch, MalformedRecord, read_records
from scripts.landing.store import ObjectHead
from scripts.load.binary_copy import HEADER, TRAILER
from scripts.load.contract import Contract
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def _counts(path: Path) -> tuple[int, int]:
    """Return (number of valid records, number of invalid records)."""
    passed, failed, contract = 0, 0, Contract(POSTS)
    for item in read_records([path.read_bytes()], max_record_bytes=1 << 20):
        if isinstance(item, MalformedRecord):
            failed += 1
        elif isinstance(item, Batch):
            checked = contract.check(item)
            passed, failed = passed + len(checked.rows), failed + len(checked.breaches)
    return passed, failed


def test_one_in_a_thousand_is_bad_in_each_of_four_ways(tmp_path: Path) -> None:
    objects = Objects(tmp_path, 12_000)
    objects.make()
    assert _counts(objects.clean / key()) == (12_000, 0)
    assert _counts(objects.bad / key()) == (11_988, 12)


def test_a_record_has_about_250_bytes_and_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = Objects(tmp_path / "1", 1000), Objects(tmp_path / "2", 1000)
    for objects in (first, second):
        objects.make(with_bad=False)
    body = (first.clean / key()).read_bytes()
    assert body == (second.clean / key()).read_bytes()
    assert 230 < len(body) / 1000 < 270
    binary = first.binary.read_bytes()
    assert binary.startswith(HEADER)
    assert binary.endswith(TRAILER)


def test_the_local_store_answers_as_s3_does(tmp_path: Path) -> None:
    objects = Objects(tmp_path, 1000)
    objects.make(with_bad=False)
    found = store(objects.clean)
    opened, head = found.open(key(DAY)), found.head(key(DAY))
    assert opened is not None
    body = b"".join(opened.blocks())
    assert head == ObjectHead(opened.info, None, sha256(body).hexdigest(), None)
    assert opened.info.size == len(body)
    assert store(tmp_path / "empty").open(key()) is None
