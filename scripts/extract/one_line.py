"""Write a record on one line. Invariant: only whitespace between tokens is removed.

A record without a line break keeps all its bytes, which is also fast. What becomes of a record does
not depend on its neighbours. So the same answer makes the same object, however it is cut into
batches. Digits, escapes, duplicate keys and their order always stay as received. msgspec does it
fast for what it can parse. Other JSON (the escape of a lone surrogate, very deep nesting) is copied
token by token.
"""

import re

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


def on_one_line(record: bytes) -> bytes:
    """Return a JSON value as it is, or without whitespace between tokens if it has line breaks.

    Raises ValueError if it is not JSON.
    """
    try:
        compact = msgspec.json.format(record, indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        compact = b"".join(tokens_of(record))
    return compact if _is_broken(record) else record


def on_one_line_each(batch: Batch) -> bytes:
    """Return the records of a batch as `on_one_line` does, with a comma and a newline between."""
    lines = b",\n".join(batch.records)
    if not _is_broken(batch.text):
        return lines
    if lines.count(b"\n") < len(batch.records) and b"\r" not in lines:
        return lines  # the line breaks were between the records
    return b",\n".join(on_one_line(bytes(record)) for record in batch.records)


def _is_broken(text: bytes) -> bool:
    return b"\n" in text or b"\r" in text


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
