"""The messages about incidents. Invariant: data is shown as plain text, never interpreted.

A `Notice` holds plain text and links. The Jinja templates beside this module format it for Slack
and for mail. Texts that exceed Slack's limits are cut, so that no message fails.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from scripts.alerts.catalog import CATALOG, CatalogEntry
from scripts.alerts.incident import IncidentRecord, Kind
from scripts.alerts.runbook import runbook_section, runbook_url
from scripts.settings import Deployment
from sources import SOURCES

SECTION_CHARACTERS = 3000
HEADER_CHARACTERS = 150
_MAX_LISTED = 10
_ICONS = {"error": "🔴", "warning": "🟠", "recovered": "🟢"}
_Pairs = list[tuple[str, str]]  # a label and its text or URL


@dataclass(frozen=True)
class Notice:
    """One message, in plain text."""

    icon: str  # shows the severity
    subject: str
    details: _Pairs  # facts of this incident
    facts: _Pairs  # facts that every message has
    links: _Pairs
    mention: str  # the user or group that Slack notifies, in Slack's markup. A setting, not data.
    footer: str
    instructions: str = ""  # the run book section, if no link leads to it. One line per step.

    def slack(self) -> dict[str, Any]:
        """Return the body of a webhook request, within Slack's limits."""
        template = _templates(_slack_text).get_template("slack.json.j2")
        body: dict[str, Any] = json.loads(template.render(n=self))
        if self.mention:
            words = {"type": "mrkdwn", "text": self.mention}
            body["blocks"].insert(1, {"type": "section", "text": words})
        for block in body["blocks"]:
            limit = HEADER_CHARACTERS if block["type"] == "header" else SECTION_CHARACTERS
            for text in (block.get("text"), *block.get("elements", [])):
                if text:
                    text["text"] = _cut(text["text"], limit)
        return {**body, "text": _cut(body["text"], SECTION_CHARACTERS)}

    def html(self) -> str:
        """Return the mail as HTML."""
        return _templates().get_template("mail.html.j2").render(n=self)

    def text(self) -> str:
        """Return the mail as plain text."""
        return _templates().get_template("mail.txt.j2").render(n=self)


def notice_of(record: IncidentRecord, place: Deployment, marts_as_of: datetime | None) -> Notice:
    """Return the message that an incident began or, if it is closed, that it recovered.

    A record without a number means that the warehouse does not answer, and the message says so.
    """
    incident, entry = record.incident, CATALOG[record.incident.kind]
    if record.closed_at:
        title = f"recovered after {record.lasted}: {entry.title}"
        entry = CatalogEntry(title, "none since the recovery", "No action required.", "recovered")
    day = incident.day.isoformat() if incident.day else "all days"
    is_quoting = not (record.closed_at or place.runbook_url)
    return Notice(
        icon=_ICONS[entry.severity],
        subject=f"[{place.environment}] {entry.title.format(subject=incident.subject)} ({day})",
        details=list(incident.facts.items()),
        facts=_facts(record, place, entry, day, marts_as_of),
        links=[*incident.links.items(), *_runbook_links(place, {"Run book": incident.kind})],
        mention="" if record.closed_at else place.alert_mention,
        footer=f"incident {record.incident_id or 'not recorded'} · {incident.fingerprint}",
        instructions=runbook_section(incident.kind) if is_quoting else "",
    )


def digest_of(
    records: Sequence[IncidentRecord], place: Deployment, marts_as_of: datetime | None
) -> Notice:
    """Return one message about many incidents: their number and classes, and the first ones."""
    is_recovery = records[0].closed_at is not None
    kinds = Counter(record.incident.kind for record in records)
    severity = "recovered" if is_recovery else min(CATALOG[kind].severity for kind in kinds)
    verb = "recovered" if is_recovery else "began"
    facts = [(kind.value, str(count)) for kind, count in kinds.most_common()]
    listed = [(f"{n}", one.incident.fingerprint) for n, one in enumerate(records[:_MAX_LISTED], 1)]
    if len(records) > _MAX_LISTED:
        listed.append(("…", f"{len(records) - _MAX_LISTED} more: python -m scripts.alerts list"))
    ids = [record.incident_id or 0 for record in records]
    return Notice(
        icon=_ICONS[severity],
        subject=f"[{place.environment}] {len(records)} incidents {verb}",
        details=listed,
        facts=[*facts, ("Marts as of", _moment(marts_as_of))],
        links=_runbook_links(place, {f"Run book: {kind}": kind for kind in kinds}),
        mention="" if is_recovery else place.alert_mention,
        footer=f"incidents {min(ids)} to {max(ids)}",
    )


def _facts(
    record: IncidentRecord,
    place: Deployment,
    entry: CatalogEntry,
    day: str,
    marts_as_of: datetime | None,
) -> _Pairs:
    source = SOURCES.get(record.incident.subject.removeprefix("ingest_"))
    api = source.api if source else None
    is_recorded = record.incident_id is not None
    marts = _moment(marts_as_of) if is_recorded else "unknown: the warehouse does not answer"
    note = "The warehouse does not answer, so this alert may be sent twice."
    return [
        ("Severity", entry.severity),
        ("Environment", place.environment),
        ("Owner", (api and api.owner) or place.owner),
        ("Source", record.incident.subject + (f" (API {api.name})" if api else "")),
        ("Day", day),
        ("Seen", f"{record.seen} times" if record.seen > 1 else "once"),
        ("Impact", entry.impact),
        ("Marts as of", marts),
        ("Next", entry.next),
        *([] if is_recorded else [("Note", note)]),
    ]


def _runbook_links(place: Deployment, kinds: Mapping[str, Kind]) -> _Pairs:
    """Return the links to the run book by label, if it has a URL."""
    urls = [(label, runbook_url(place, kind)) for label, kind in kinds.items()]
    return [(label, url) for label, url in urls if url]


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "never published"


def _cut(text: str, limit: int) -> str:
    """Shorten a text that is too long, but never inside an entity or a link."""
    if len(text) <= limit:
        return text
    return re.sub(r"(&[a-z]{0,3}|<[^<>]*)$", "", text[: limit - 1]) + "…"


def _slack_text(value: object) -> str:
    """Escape a value for JSON and for Slack, where it then cannot mention a user or be a link."""
    return json.dumps(escape(str(value), quote=False))[1:-1]


@cache
def _templates(finalize: Callable[[Any], str] | None = None) -> Environment:
    """Return the templates. `finalize` escapes every value that they show."""
    return Environment(
        loader=PackageLoader("scripts.alerts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(["html.j2"], default=False),
        finalize=finalize,
    )
