"""Write a record on one line. Invariant: only whitespace between tokens is removed.

Digits, escapes, duplicate keys and their order stay as received. msgspec does it fast for what it
can parse. Other JSON (the escape of a lone surrogate, very deep nesting) is copied token by token.
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
_AFTER = {  # what is expected, and what each token leads to
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
    """Return a JSON value without insignificant whitespace. Raises ValueError if it is not one."""
    try:
        return msgspec.json.format(bytes(record), indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        return b"".join(tokens_of(bytes(record)))


def on_one_line_each(batch: Batch) -> Sequence[bytes | msgspec.Raw]:
    """Return each record of a batch as `on_one_line` does, in one pass over the whole batch."""
    try:
        text = msgspec.json.format(batch.text, indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        return [on_one_line(record) for record in batch.records]
    # As long as the records, their commas and the brackets: no record lost a byte, as from most
    # APIs. So the records need not be cut out of the new text.
    if len(text) == sum(map(len, batch.records)) + len(batch.records) + 1:
        return batch.records
    return _RAWS.decode(text)


def tokens_of(record: bytes) -> list[bytes]:
    """Return the tokens of one value. Its nesting may be deeper than a call stack."""
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
        raise ValueError(f"no complete value in {end} bytes")
    return tokens


def _nest(nesting: list[str], kind: str, expected: str) -> str:
    """Follow the brackets, and return what a comma leads to at this place."""
    if kind in {"{", "["}:
        nesting.append(kind)
    elif kind in _CLOSES:
        nesting.pop()
    if expected != "next":
        return expected
    return {"{": "name", "[": "value", "": "nothing"}[nesting[-1]]
