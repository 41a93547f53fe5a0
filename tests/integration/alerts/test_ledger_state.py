"""The alerts about the ledger and the landing zone."""

from datetime import timedelta
from typing import Any

import pytest

from local.sinks import mails
from scripts.reconcile.watch import PipelineState
from tests.inbox import Inbox
from tests.integration.alerts.harness import NOW, add_load, subjects, watch

pytestmark = pytest.mark.integration


def test_a_late_day_is_reported_once_and_its_landing_too(inbox: Inbox) -> None:
    late = PipelineState(late=["posts/2026-01-02"])
    watch(inbox, late)
    watch(inbox, late)
    assert subjects(inbox) == ["posts has not landed (2026-01-02)"]

    watch(inbox)
    assert "recovered after" in subjects(inbox)[-1]


def test_a_parked_object_is_reported_with_its_reason(inbox: Inbox) -> None:
    watch(inbox, PipelineState(parked={"posts/2026-01-02": "no list, at byte 0"}))
    assert subjects(inbox) == ["posts: an object was parked (2026-01-02)"]
    assert "Reason: no list, at byte 0" in mails(inbox.folder)[0]["text"]


def test_deleted_objects_of_a_source_are_one_incident(inbox: Inbox) -> None:
    days = ["posts/2026-01-01", "posts/2026-01-02", "users/2026-01-02"]
    watch(inbox, PipelineState(deleted=days))
    assert sorted(subjects(inbox)) == [
        "posts: an object was deleted (all days)",
        "users: an object was deleted (all days)",
    ]
    texts = [mail["text"] for mail in mails(inbox.folder)]
    assert any("Objects: 2, from 2026-01-01 to 2026-01-02" in text for text in texts)
    assert all("The marts still contain its day" in text for text in texts)

    watch(inbox)
    assert "recovered after" in subjects(inbox)[-1]


@pytest.mark.parametrize(
    ("columns", "subject"),
    [
        (
            {"published_at": None, "loaded_at": NOW - timedelta(hours=2)},
            "loads are loaded but not published (all days)",
        ),
        ({"published_at": NOW - timedelta(hours=40)}, "marts are stale (all days)"),
        ({"loaded": 97, "rejected": 3}, f"posts has many rejected records ({NOW.date()})"),
    ],
)
def test_what_the_ledger_shows_is_reported_until_it_is_over(
    inbox: Inbox, columns: dict[str, Any], subject: str
) -> None:
    add_load(inbox, **columns)
    watch(inbox)
    assert subjects(inbox) == [subject]

    inbox.query(
        "update ops.loads set published_at = %s, received = 97, rejected = 0, loaded = 97", NOW
    )
    watch(inbox)
    assert "recovered after" in subjects(inbox)[-1]


@pytest.mark.parametrize(
    "columns",
    [{"published_at": None, "loaded_at": NOW}, {"loaded": 99, "rejected": 1}, {}],
)
def test_what_is_within_its_limits_is_not_reported(inbox: Inbox, columns: dict[str, Any]) -> None:
    add_load(inbox, **columns)
    watch(inbox)
    assert subjects(inbox) == []
