"""Pictures of alerts: the reviewed messages, in a browser."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape
from playwright.sync_api import Browser

from tests.pictures.shot import shot
from tests.unit.alerts.samples import GOLDEN

_TEMPLATE = Path(__file__).parent / "slack.html"
_SHOWN = "dbt-test-failed"
_MARK = re.compile(r"(<[^>]+>)")
_LINK = re.compile(r"<(https?://[^|>]+)\|([^>]+)>")


def draw_messages(browser: Browser) -> None:
    """Draw one alert as a mail at two screen widths, and as a Slack message."""
    for width in (320, 600):
        page = browser.new_page(viewport={"width": width, "height": 400})
        page.goto((GOLDEN / f"{_SHOWN}.html").as_uri())
        shot(page, f"mail-{width}", is_whole_page=True)
        page.close()
    page = browser.new_page(viewport={"width": 640, "height": 300})
    page.set_content(
        as_slack_lays_it_out(json.loads((GOLDEN / f"{_SHOWN}.slack.json").read_text()))
    )
    shot(page, "slack", is_whole_page=True)
    page.close()


def as_slack_lays_it_out(body: dict[str, Any]) -> str:
    """Return an HTML page that shows the blocks of a webhook's body in Slack's layout."""
    environment = Environment(autoescape=True)
    environment.filters["slack"] = _text
    return environment.from_string(_TEMPLATE.read_text()).render(blocks=body["blocks"])


def _text(text: dict[str, str]) -> Markup:
    """Render a text object. Only mrkdwn has links and mentions."""
    if text["type"] == "plain_text":
        return escape(text["text"])
    return Markup("").join(map(_piece, _MARK.split(text["text"])))


def _piece(text: str) -> Markup:
    """Render a link, a mention, or text in which Slack's three special characters are escaped."""
    if text.startswith("<!subteam^"):
        return Markup('<span class="mention">@data-on-call</span>')
    if link := _LINK.fullmatch(text):
        return Markup('<a href="{}">{}</a>').format(*map(unescape, link.groups()))
    return escape(unescape(text))
