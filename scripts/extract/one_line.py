"""Write a record on one line. Invariant: only whitespace between tokens goes, all else stays.

Digits, escapes, double keys and their order are the sender's. msgspec does it fast for what it can
parse; JSON that it cannot (a lone surrogate's escape, very deep nesting) goes token by token.
"""

import re
from collections.abc import Sequence

import msgspec

from scripts.landing.json_array import Batch

_TOKEN = re.compile(
    rb'[ \t\r\n]*+(?:(?P<text>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+")'
    rb"|(?P<scalar>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null)"
    rb"|(?P<mark>[{}\[\]:,]))"
)
_VALUE = {"text": "end", "scalar": "end", "{": "first name", "[": "first value"}
_AFTER = {  # what is expected, and what each token then leads to
    "value": _VALUE,
    "first value": {**_VALUE, "]": "end"},
    "name": {"text": "colon"},
    "first name": {"text": "colon", "}": "end"},
    "colon": {":": "value"},
    "end": {",": "next", "}": "end", "]": "end"},
    "nothing": {},
}
_CLOSES = {"}": "{", "]": "["}
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


def on_one_line(record: bytes | msgspec.Raw) -> bytes:
    """Return a JSON value without insignificant whitespace; raises ValueError if it is not one."""
    try:
        return msgspec.json.format(bytes(record), indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        return b"".join(_tokens(bytes(record)))


def on_one_line_each(batch: Batch) -> Sequence[bytes | msgspec.Raw]:
    """Return each record of a batch as `on_one_line` does, in one pass over the whole batch."""
    try:
        return _RAWS.decode(msgspec.json.format(batch.text, indent=-1))
    except (msgspec.MsgspecError, RecursionError):
        return [on_one_line(record) for record in batch.records]


def _tokens(record: bytes) -> list[bytes]:
    """Return the tokens of one value, whose nesting may be deeper than any call stack."""
    tokens, nesting, expected, at, end = [], [""], "value", 0, len(record.rstrip(b" \t\r\n"))
    while at < end:
        match = _TOKEN.match(record, at)
        if match is None:
            raise ValueError(f"no token at byte {at}")
        token, at = match[match.lastgroup or 0], match.end()
        kind = token.decode() if match.lastgroup == "mark" else str(match.lastgroup)
        if kind not in _AFTER[expected] or nesting[-1] != _CLOSES.get(kind, nesting[-1]):
            raise ValueError(f"unexpected token before byte {at}")
        expected = _nest(nesting, kind, _AFTER[expected][kind])
        tokens.append(token)
    if expected != "end" or len(nesting) > 1:
        raise ValueError(f"no whole value in {end} bytes")
    return tokens


def _nest(nesting: list[str], kind: str, expected: str) -> str:
    """Follow brackets, and return what a comma leads to where it stands."""
    if kind in {"{", "["}:
        nesting.append(kind)
    elif kind in _CLOSES:
        nesting.pop()
    if expected != "next":
        return expected
    return {"{": "name", "[": "value", "": "nothing"}[nesting[-1]]
