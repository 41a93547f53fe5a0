"""Read the header ``Link`` as RFC 8288 defines it. Invariant: it is read whole, or refused."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from scripts.errors import InvalidDataError

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAM = rf"({_WORD})(?:[ \t]*=[ \t]*({_WORD}|{_QUOTED}))?"
_LINK = re.compile(rf"[ \t]*<([^<>]*)>((?:[ \t]*;(?:[ \t]*{_PARAM})?)*)[ \t]*(?:,|$)")
_EMPTY = re.compile(r"[ \t]*(?:,|$)")
_PARAMS = re.compile(rf";[ \t]*{_PARAM}")


class Link(NamedTuple):
    """A link: where it leads, and its relation types in lower case."""

    target: str
    relations: tuple[str, ...]


def parse_links(header: str) -> Iterator[Link]:
    """Yield the links of a header. Raises InvalidDataError that repeats a header it cannot read."""
    at = 0
    while at < len(header):
        if empty := _EMPTY.match(header, at):  # RFC 9110 allows empty elements of a list
            at = empty.end()
            continue
        match = _LINK.match(header, at)
        if match is None:
            raise InvalidDataError(f"cannot read the header Link at {at}: {header[:500]!r}")
        yield Link(match[1], _relations(match[2]))
        at = match.end()


def _relations(params: str) -> tuple[str, ...]:
    for name, value in _PARAMS.findall(params):
        if name.lower() == "rel":  # only the first one counts
            text = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            return tuple(text.lower().split())
    return ()
