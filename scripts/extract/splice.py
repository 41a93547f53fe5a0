"""Put the values of a parent into the records of its list.

Invariant: a record keeps its own bytes behind one new first field.
"""

import re
from collections.abc import Mapping

import msgspec

from scripts.errors import InvalidDataError
from scripts.extract.one_line import on_one_line_each, tokens_of
from scripts.landing.json_array import Batch

FIELD = "_parent"
# The name of that field in any spelling of JSON: each character as it is, or as an escape.
_NAMED = re.compile(
    rb'"%b"' % b"".join(b"(?:%c|\\\\u(?i:%04x))" % (char, char) for char in FIELD.encode())
)


def head_of(values: Mapping[str, str | int]) -> bytes:
    """Return the first field of a record, with the bracket before it."""
    return msgspec.json.encode({FIELD: values})[:-1]


def spliced(lines: bytes, head: bytes, position: int) -> bytes:
    """Return records, one a line with a comma between them, with `head` in front of their fields.

    `position` is that of the first one. Raises InvalidDataError for a record that has the field.
    """
    if _NAMED.search(lines):
        for number, line in enumerate(lines.split(b",\n"), position):
            if _has_field(line):
                raise InvalidDataError(
                    f"record {number} has the field {FIELD}, which is reserved for its parent"
                )
    # A record on one line has no newline, and no JSON has a comma before a closing bracket.
    fields = (b"\n" + lines).replace(b"\n{", b"\n%b," % head)
    return re.sub(re.escape(head) + rb",[ \t]*+}", lambda _: head + b"}", fields)[1:]


def spliced_batch(batch: Batch, head: bytes) -> Batch:
    """Return a batch of records as they would land below a parent."""
    text = b"[%b]" % spliced(on_one_line_each(batch), head, batch.first)
    return Batch(batch.first, batch.start, text, msgspec.json.decode(text, type=list[msgspec.Raw]))


def _has_field(record: bytes) -> bool:
    """Return whether an object on one line has the field itself, not an object inside it."""
    depth, name = 0, b""
    for token in tokens_of(record):
        if token == b":" and depth == 1 and _NAMED.fullmatch(name):
            return True
        depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
        name = token
    return False
