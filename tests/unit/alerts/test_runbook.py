"""An alert links to the run book where it has a URL, and contains its section where not."""

import pytest

from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.messages import SECTION_CHARACTERS, digest_of, notice_of
from scripts.alerts.runbook import runbook_section, runbook_url
from scripts.settings import Deployment

pytestmark = pytest.mark.unit

_WITH_URL = Deployment(runbook_url="https://example.com/runbook")
_WITHOUT = Deployment()


@pytest.mark.parametrize("kind", Kind)
def test_without_a_url_every_channel_shows_the_whole_section(kind: Kind) -> None:
    notice = notice_of(IncidentRecord(Incident.new(kind, "posts")), _WITHOUT, None)
    section = runbook_section(kind)
    assert len(section) < SECTION_CHARACTERS
    assert section in notice.text()
    blocks = [block["text"]["text"] for block in notice.slack()["blocks"] if "text" in block]
    slack = "\n".join(blocks).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert section in slack
    assert "<h2" in notice.html()
    assert "Run book:" not in notice.text()


def test_with_a_url_it_links_to_the_section_of_its_class() -> None:
    record = IncidentRecord(Incident.new(Kind.MARTS_STALE, "marts"))
    notice = notice_of(record, _WITH_URL, None)
    assert ("Run book", "https://example.com/runbook#marts-stale") in notice.links
    assert notice.instructions == ""
    digest = digest_of([record, record], _WITH_URL, None)
    assert digest.links == [("Run book: marts-stale", "https://example.com/runbook#marts-stale")]
    assert runbook_url(_WITHOUT, Kind.MARTS_STALE) == ""


def test_a_message_without_links_is_valid_json_for_slack() -> None:
    record = IncidentRecord(Incident.new(Kind.MARTS_STALE, "marts"))
    for notice in (notice_of(record, _WITHOUT, None), digest_of([record], _WITHOUT, None)):
        assert not notice.links
        assert notice.slack()["blocks"][-1]["type"] == "context"
