"""Find the records to erase: exactly them in valid JSON, rather too many in invalid JSON."""

import msgspec
import pytest

from scripts.erase.wanted import Wanted
from sources import Source
from sources.jsonplaceholder import API, POSTS

pytestmark = pytest.mark.unit


class Translation(msgspec.Struct):
    post: int
    language: str


SEVEN = Wanted.of_key(POSTS, "7")
PAIR = Wanted.of_key(
    Source(api=API, name="translations", path="/t", contract=Translation, key=("post", "language")),
    "7",
    "d\u00e9",
)


@pytest.mark.parametrize(
    ("record", "is_it"),
    [
        (b'{"id":7}', True),
        (b'{"title": "x", "id" : 7 }', True),
        (b'{"\\u0069d": 7}', True),
        (b'{"id": "7"}', True),
        (b'{"id": 7.0}', True),
        (b'{"id": 0.7e1}', True),
        (b'{"id": 77}', False),
        (b'{"id": 7.5}', False),
        (b'{"id": -7}', False),
        (b'{"id": 8, "parent": {"id": 7}}', False),
        (b'{"title": "\\"id\\": 7"}', False),
        (b'{"id": true}', False),
        (b"7", False),
        (b"[7]", False),
        (b'{"id": 7, }', True),
        (b'{"id": "7", }', True),
        (b'{"id": 77, }', False),
        (b'{"id": %b}' % (b"7" * 5000), False),
        (b'{"id": 7, "deep": %b%b}' % (b"[" * 9999, b"]" * 9999), True),
        (b'{"id": 8, "text": "\\ud800"}', False),
    ],
)
def test_a_record_is_known_by_its_key(record: bytes, is_it: bool) -> None:
    assert SEVEN.is_in(record) is is_it


def test_a_key_of_several_fields_is_all_of_them() -> None:
    assert PAIR.is_in('{"language": "d\u00e9", "post": 7}'.encode())
    assert PAIR.is_in(b'{"language": "d\\u00e9", "post": 7}')
    assert PAIR.is_in('{"language": "d\u00e9", "post": 7, }'.encode())
    assert not PAIR.is_in(b'{"language": "en", "post": 7}')
    assert not PAIR.is_in(b'{"post": 7, }')


def test_the_beginning_of_a_record_may_not_tell() -> None:
    assert SEVEN.is_unknown_in(b'{"title": "long')
    assert not SEVEN.is_unknown_in(b'{"id": 8, "title": "long')


@pytest.mark.parametrize(
    ("record", "is_it"),
    [
        (b'{"id": 8, "userId": 7}', True),
        (b'{"id": 8, "userId": "7"}', True),
        (b'{"id": 8, "userId": 7, }', True),
        (b'{"id": 7, "userId": 1}', True),
        (b'{"id": 8, "userId": 77}', False),
        (b'{"id": 8, "userId": 77, }', False),
        (b'{"id": 8, "userId": null}', False),
        (b'{"id": 8, "title": "7"}', False),
        (b'{"id": 8, "by": {"id": 9}}', True),
        (b'{"id": 8, "by": 9}', False),
    ],
)
def test_a_record_is_known_by_what_it_refers_to(record: bytes, is_it: bool) -> None:
    references = {("userId",): frozenset({"7"}), ("by", "id"): frozenset({"9"})}
    assert Wanted(POSTS, frozenset({("7",)}), references).is_in(record) is is_it


def test_the_beginning_of_a_record_may_not_tell_what_it_refers_to() -> None:
    wanted = Wanted(POSTS, frozenset(), {("userId",): frozenset({"7"})})
    assert wanted.is_unknown_in(b'{"id": 8, "title": "long')
    assert not wanted.is_unknown_in(b'{"id": 8, "userId": 1, "title": "long')


def test_nothing_is_wanted_of_a_source_without_a_key() -> None:
    lines = Source(api=API, name="lines", path="/l", contract=Translation, key=None)
    assert not Wanted(lines, frozenset()).is_in(b'{"post": 7}')
