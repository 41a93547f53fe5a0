"""What an alert says, dressed for Slack and for mail. Invariant: data is shown, never interpreted.

A `Notice` is plain text and links; the Jinja templates beside this module only dress it. Limits of
Slack are kept by cutting, never by failing.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from scripts.alerts.catalog import CATALOG
from scripts.alerts.incident import IncidentRecord, Kind
from scripts.alerts.runbook import runbook_section, runbook_url
from scripts.settings import Deployment

SECTION_CHARACTERS = 3000
HEADER_CHARACTERS = 150
_LISTED = 10
_ICONS = {"error": "🔴", "warning": "🟠", "recovered": "🟢"}


@dataclass(frozen=True)
class Notice:
    """One message, in plain text.

    Attributes:
        icon: one character that says how bad it is.
        subject: one line.
        details: what is known of this cause, by label.
        facts: what every message says, by label.
        links: where to look, by label.
        mention: whom Slack calls: a setting, in Slack's own markup.
        footer: how to name this incident.
        instructions: the run book's section, where no link leads to it; one line a step.
    """

    icon: str
    subject: str
    details: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    links: list[tuple[str, str]]
    mention: str
    footer: str
    instructions: str = ""

    def slack(self) -> dict[str, Any]:
        """Return the body of a webhook request, within Slack's limits."""
        body: dict[str, Any] = json.loads(_slack().get_template("slack.json.j2").render(n=self))
        if self.mention:
            words = {"type": "mrkdwn", "text": self.mention}
            body["blocks"].insert(1, {"type": "section", "text": words})
        for block in body["blocks"]:
            most = HEADER_CHARACTERS if block["type"] == "header" else SECTION_CHARACTERS
            for text in (block.get("text"), *block.get("elements", [])):
                if text:
                    text["text"] = _fit(text["text"], most)
        return {**body, "text": _fit(body["text"], SECTION_CHARACTERS)}

    def html(self) -> str:
        """Return the mail as HTML."""
        return _mail().get_template("mail.html.j2").render(n=self)

    def text(self) -> str:
        """Return the mail as plain text."""
        return _mail().get_template("mail.txt.j2").render(n=self)


def notice_of(
    told: IncidentRecord, place: Deployment, marts_as_of: datetime | None, *, is_tabled: bool = True
) -> Notice:
    """Say that an incident began, or, if it is closed, that it is over."""
    incident, words = told.incident, CATALOG[told.incident.kind]
    day = incident.day.isoformat() if incident.day else "all days"
    title = words.title.format(subject=incident.subject, day=day)
    is_over = told.closed_at is not None
    if is_over:
        title = f"recovered after {told.lasted}: {title}"
    facts = [
        ("Severity", "recovered" if is_over else words.severity),
        ("Environment", place.environment),
        ("Owner", place.owner),
        ("Source", incident.subject),
        ("Day", day),
        ("Seen", f"{told.seen} times" if told.seen > 1 else "once"),
        ("Impact", "none since the recovery" if is_over else words.impact),
        (
            "Marts as of",
            _moment(marts_as_of) if is_tabled else "unknown: the warehouse does not answer",
        ),
        ("Next", "No action required." if is_over else words.next),
    ]
    if not is_tabled:
        facts.append(("Note", "The warehouse does not answer, so this alert may be sent twice."))
    return Notice(
        icon=_ICONS["recovered" if is_over else words.severity],
        subject=f"[{place.environment}] {title} ({day})",
        details=list(incident.facts.items()),
        facts=facts,
        links=[*incident.links.items(), *_runbook(place, {"Run book": incident.kind})],
        mention="" if is_over else place.alert_mention,
        footer=f"incident {told.incident_id or 'not recorded'} · {incident.fingerprint}",
        instructions="" if is_over or place.runbook_url else runbook_section(incident.kind),
    )


def digest_of(
    told: Sequence[IncidentRecord], place: Deployment, marts_as_of: datetime | None
) -> Notice:
    """Say of many incidents at once how many they are, of which classes, and name the first."""
    is_over = told[0].closed_at is not None
    kinds = Counter(one.incident.kind for one in told)
    severity = "recovered" if is_over else min(CATALOG[kind].severity for kind in kinds)
    verb = "recovered" if is_over else "began"
    facts = [(kind.value, str(count)) for kind, count in kinds.most_common()]
    facts.append(("Marts as of", _moment(marts_as_of)))
    listed = [(f"{n}", one.incident.fingerprint) for n, one in enumerate(told[:_LISTED], 1)]
    if len(told) > _LISTED:
        listed.append(("…", f"{len(told) - _LISTED} more: python -m scripts.alerts list"))
    ids = [one.incident_id or 0 for one in told]
    return Notice(
        icon=_ICONS[severity],
        subject=f"[{place.environment}] {len(told)} incidents {verb}",
        details=listed,
        facts=facts,
        links=_runbook(place, {f"Run book: {kind}": kind for kind in kinds}),
        mention="" if is_over else place.alert_mention,
        footer=f"incidents {min(ids)} to {max(ids)}",
    )


def _runbook(place: Deployment, kinds: Mapping[str, Kind]) -> list[tuple[str, str]]:
    """Return the links to the run book by label, where it has a URL."""
    urls = [(label, runbook_url(place, kind)) for label, kind in kinds.items()]
    return [(label, url) for label, url in urls if url]


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never published"


def slack_escaped(text: object) -> str:
    """Return text that Slack shows as it is: it cannot mention anybody, nor be a link."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fit(text: str, most: int) -> str:
    """Cut a text that is too long, but never through an entity or a link."""
    if len(text) <= most:
        return text
    return re.sub(r"(&[a-z]{0,3}|<[^<>]*)$", "", text[: most - 1]) + "…"


@cache
def _slack() -> Environment:
    """Return the templates of Slack: whatever they show is escaped for Slack, and for JSON."""
    return _templates(lambda value: json.dumps(slack_escaped(value))[1:-1])


@cache
def _mail() -> Environment:
    """Return the templates of a mail, escaped for HTML where they are HTML."""
    return _templates(None)


def _templates(finalize: Callable[[Any], str] | None) -> Environment:
    return Environment(
        loader=PackageLoader("scripts.alerts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(["html.j2"], default=False),
        finalize=finalize,
    )
