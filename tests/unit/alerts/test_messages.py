"""The text of alerts: golden files, Slack's limits, and injection attempts in data."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from scripts.alerts.catalog import CATALOG
from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.messages import Notice, digest_of, notice_of
from scripts.settings import Deployment
from tests.unit.alerts.samples import GOLDEN, PLACE, dressed, incidents, notices

pytestmark = pytest.mark.unit

HOSTILE = [
    "<!channel> & <@U1> <https://evil.example|click>",
    '<script>alert(1)</script>"><img src=x onerror=y>',
    "x" * 10_000,
    "&" * 10_000,
    "a\nb\r\n\x00\x1b[31mc\u2028d",
    '", "text": "injected',
    "{{ 7 * 7 }} {% raw %}",
]


class Page(HTMLParser):
    """A mail's HTML as a mail program parses it: the facts, the links and all tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []
        self._is_cell = False
        self.feed(page)
        self.facts = dict(zip(self.cells[::2], self.cells[1::2], strict=True))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.styles.append(given.get("style") or "")
        if tag == "a":
            self.links.append(given["href"] or "")
        self._is_cell = tag in {"th", "td"}
        if self._is_cell:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = self._is_cell and tag not in {"th", "td"}

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.cells[-1] += data


def block_texts(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Check a webhook's body against Block Kit's limits, and return its text objects."""
    assert 1 <= len(body["blocks"]) <= 50
    assert 1 <= len(body["text"]) <= 3000
    texts = []
    for block in body["blocks"]:
        assert block["type"] in {"header", "section", "context"}
        for text in [block.get("text"), *block.get("elements", [])]:
            if text is None:
                continue
            most = 150 if block["type"] == "header" else 3000
            assert 1 <= len(text["text"]) <= most
            assert text["type"] == "plain_text" or block["type"] != "header"
            texts.append(text)
    return texts


@pytest.mark.parametrize("name", sorted(notices()))
@pytest.mark.parametrize("ending", ["slack.json", "txt", "html"])
def test_every_message_is_as_reviewed(name: str, ending: str) -> None:
    """`python -m tests.unit.alerts.samples` writes the golden files again."""
    kept = (GOLDEN / f"{name}.{ending}").read_text()
    assert dressed(notices()[name])[ending] == kept


def test_there_is_one_golden_file_a_message_and_dress() -> None:
    expected = {f"{name}.{end}" for name in notices() for end in ("slack.json", "txt", "html")}
    assert {file.name for file in GOLDEN.iterdir()} == expected
    assert set(incidents()) == set(Kind) == set(CATALOG)


@pytest.mark.parametrize("name", sorted(notices()))
def test_a_message_keeps_to_block_kit_and_its_mail_says_the_same(name: str) -> None:
    notice = notices()[name]
    shown = "\n".join(text["text"] for text in block_texts(notice.slack()))
    page = Page(notice.html())

    assert page.facts == dict(notice.details + notice.facts)
    for label, text in notice.details + notice.facts:
        assert f"{label}: {text}" in shown
        assert f"{label}: {text}" in notice.text()
    assert page.links == [url for _, url in notice.links]
    assert notice.footer in shown
    assert notice.footer in notice.text()


@pytest.mark.parametrize("name", sorted(notices()))
def test_a_mail_fits_a_narrow_screen(name: str) -> None:
    """No element is wider than its parent, and long words can break."""
    page = Page(notices()[name].html())
    widths = [w for style in page.styles for w in re.findall(r"(?<!max-)width:(\w+%?)", style)]
    assert all(width.endswith("%") for width in widths)
    assert any("max-width:600px" in style and "anywhere" in style for style in page.styles)
    assert any("table-layout:fixed" in style for style in page.styles)
    assert not set(page.tags) & {"img", "pre", "script", "iframe"}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_data_is_shown_and_never_interpreted(hostile: str) -> None:
    facts = {"Error": hostile, **{f"Fact {n}": hostile for n in range(20)}}
    incident = Incident.new(Kind.RUN_FAILED, hostile, None, facts, {"Log": f"http://a/{hostile}"})
    recorded = IncidentRecord(incident, 1, datetime(2026, 1, 2, tzinfo=UTC))
    for notice in (notice_of(recorded, PLACE, None), digest_of([recorded] * 60, PLACE, None)):
        _assert_harmless(notice)


def _assert_harmless(notice: Notice) -> None:
    body = notice.slack()
    for text in block_texts(body):
        allowed = text["text"] == PLACE.alert_mention
        links = re.sub(r"<https?://[^<>|]*\|[^<>|]*>", "", text["text"])
        if text["type"] == "mrkdwn" and not allowed:
            assert not set(links) & {"<", ">"}
        assert allowed or "<!" not in text["text"]
        assert not re.search(r"&(?!amp;|lt;|gt;)", text["text"])
    assert not set(body["text"]) & {"<", ">"}
    assert body.keys() == {"text", "mrkdwn", "unfurl_links", "blocks"}

    page = Page(notice.html())
    assert not set(page.tags) & {"img", "script"}
    assert page.facts == dict(notice.details + notice.facts)
    assert "\n" not in notice.subject
    assert "\r" not in notice.subject
    assert "\x1b" not in notice.text()


def test_only_the_beginning_calls_somebody() -> None:
    begun, over = notices()["run-failed"], notices()["recovered"]
    assert [t["text"] for t in block_texts(begun.slack())].count("<!subteam^S123>") == 1
    assert "subteam" not in str(over.slack())
    assert "recovered after 0:12:05" in over.subject


def test_the_smallest_incident_is_enough() -> None:
    notice = notice_of(IncidentRecord(Incident.new(Kind.RUN_FAILED, "?"), 1), Deployment(), None)
    assert block_texts(notice.slack())
    assert "never published" in notice.text()
    assert replace(notice, details=[]).html()
