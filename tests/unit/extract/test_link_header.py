"""The header Link is read as RFC 8288 says, or refused with its text."""

import pytest

from scripts.errors import InvalidDataError
from scripts.extract.link_header import parse_links

pytestmark = pytest.mark.unit


def targets(header: str) -> list[str]:
    return [link.target for link in parse_links(header) if "next" in link.relations]


@pytest.mark.parametrize(
    "header",
    [
        '</p?2>; rel="next"',
        "</p?2>;rel=next",
        '</p?2> ; REL = "NEXT"',
        '</p?2>; rel="last next"',
        '</p?2>; title="a=b"; rel="next"',
        '</p?2>; title="a, b; c"; rel="next"',
        r'</p?2>; title="say \"next\""; rel="next"',
        '</p?2>; crossorigin; rel="next"',
        "</p?2>; title*=UTF-8''n%c3%a4chste; rel=next",
        '</p?1>; rel="prev", </p?2>; rel="next", </p?9>; rel="last"',
        ', , </p?2>; rel="next",',
        '</p?2>; rel="next"; rel="prev"',
        '</p?2>;; rel="next";',
    ],
)
def test_the_next_page_is_found(header: str) -> None:
    assert targets(header) == ["/p?2"]


def test_a_url_may_have_commas_and_semicolons() -> None:
    assert targets('</p?ids=1,2;3>; rel="next", </p?x=4,5>; rel="last"') == ["/p?ids=1,2;3"]


@pytest.mark.parametrize("header", ["", '</p?1>; rel="prev"', '</p>; title="rel=next"', "</p>"])
def test_without_the_relation_there_is_none(header: str) -> None:
    assert targets(header) == []


@pytest.mark.parametrize(
    "header",
    ["/p?2; rel=next", '</p?2; rel="next"', '</p?2>; rel="next', "</p?2> rel=next", "</p>; =next"],
)
def test_what_cannot_be_read_whole_is_refused_with_its_text(header: str) -> None:
    with pytest.raises(InvalidDataError, match="cannot read the header Link") as caught:
        targets(header)
    assert header in str(caught.value)
