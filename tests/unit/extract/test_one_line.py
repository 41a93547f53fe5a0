"""Only whitespace between tokens goes, and only with line breaks. Invalid JSON is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.extract.one_line import on_one_line, tokens_of

pytestmark = pytest.mark.unit

_space = st.text(" \t\r\n", max_size=2).map(str.encode)
_string = st.builds(
    lambda text, ascii_: json.dumps(text, ensure_ascii=ascii_).encode(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.booleans(),
)
_scalar = st.sampled_from(
    [
        b"1.10",
        b"1e5",
        b"-0",
        b"1E+999",
        b"-0.0e-1",
        b"7" * 5000,
        b"true",
        b"false",
        b"null",
        rb'"\u00e9\/"',
        rb'"\ud83d\ude80"',
        rb'"\\\""',
        b'" { , [ "',
    ]
)
_surrogate = st.sampled_from([rb'"\ud800"', rb'"\udc00\ud800"'])


def _array(items: list[list[bytes]]) -> list[bytes]:
    return [b"[", *_joined(items), b"]"]


def _object(items: list[tuple[bytes, list[bytes]]]) -> list[bytes]:
    return [b"{", *_joined([[name, b":", *value] for name, value in items]), b"}"]


def _joined(items: list[list[bytes]]) -> list[bytes]:
    return [token for item in items for token in (b",", *item)][1:]


def _values(scalars: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.recursive(
        scalars.map(lambda scalar: [scalar]),
        lambda value: (
            st.lists(value, max_size=3).map(_array)
            | st.lists(st.tuples(_string, value), max_size=3).map(_object)
        ),
        max_leaves=8,
    )


def _spaced(tokens: list[bytes], data: st.DataObject) -> bytes:
    return b"".join(data.draw(_space) + token for token in tokens) + data.draw(_space)


def _expected(text: bytes, tokens: list[bytes]) -> bytes:
    return b"".join(tokens) if b"\n" in text or b"\r" in text else text


@given(_values(_scalar | _string), st.data())
def test_only_whitespace_between_tokens_goes(tokens: list[bytes], data: st.DataObject) -> None:
    text = _spaced(tokens, data)
    assert on_one_line(text) == _expected(text, tokens)
    assert b"".join(tokens_of(text)) == b"".join(tokens)


@given(_values(_scalar | _string | _surrogate), st.data())
def test_a_lone_surrogate_stays_as_it_was_written(tokens: list[bytes], data: st.DataObject) -> None:
    text = _spaced(tokens, data)
    assert on_one_line(text) == _expected(text, tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{ "a" :\n1.10 , "a" : 1e5 }', b'{"a":1.10,"a":1e5}'),
        (b'{"z":"\\u00e9\\/",\r"a":"\\ud800 \\n"}', b'{"z":"\\u00e9\\/","a":"\\ud800 \\n"}'),
        (b"[\n" * 5000 + b"1" + b" ]" * 5000, b"[" * 5000 + b"1" + b"]" * 5000),
        (b'{"a":\n' * 5000 + b"{ }" + b"}" * 5000, b'{"a":' * 5000 + b"{}" + b"}" * 5000),
        (b'{"n":\n' + b"9" * 5000 + b"}", b'{"n":' + b"9" * 5000 + b"}"),
        ('{"ключ":\n"🚀"}'.encode(), '{"ключ":"🚀"}'.encode()),
    ],
    ids=["digits and double keys", "escapes", "deep array", "deep object", "long", "unicode"],
)
def test_what_is_hard_for_parsers_is_kept(text: bytes, expected: bytes) -> None:
    assert on_one_line(text) == expected
    spaced = text.replace(b"\n", b" ").replace(b"\r", b" ")
    assert on_one_line(spaced) == spaced


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return False
    return True


@given(st.text('{}[]":,01.eE-+tn\\u/ \n\x01', max_size=12) | st.text(max_size=4))
@pytest.mark.parametrize("wrap", ["%s", '{"a":%s}', '["%s"]', '{"a":1,%s}'])
def test_it_takes_what_is_json_and_nothing_else(wrap: str, text: str) -> None:
    text = wrap.replace("%s", text)
    for way in (on_one_line, tokens_of):
        try:
            way(text.encode(errors="surrogatepass"))
            is_taken = True
        except ValueError:
            is_taken = False
        assert is_taken == _is_json(text), (way, text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NaN",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"{'a':1}",
        b"[1,]",
        b"[1}",
        b"1 2",
        b"[1],[2]",
        b"[" * 5000,
        b"[" * 5000 + b"]" * 4999,
        b"[" * 5000 + b"]" * 5001,
        b'{"a" "b"}',
        b'"\t"',
        b"//x",
        b"[1]//",
        b"\x0b1",
        b"tru",
        b"truefalse",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"1e",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"token|value"):
        on_one_line(text)
