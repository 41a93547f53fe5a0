"""The alerts about the ledger and the landing zone."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from local.sinks import mails
from scripts.alerts import ledger_state
from scripts.errors import UnavailableError
from scripts.load.superseded import clean_up_all
from scripts.reconcile.watch import PipelineState
from scripts.settings import RunSettings
from scripts.warehouse.dbt_lock import dbt_lock
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


def test_a_role_that_holds_up_another_is_reported(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_state, "_LONG_WAIT", timedelta(seconds=1))
    waiting = "select count(*) from pg_locks where not granted"
    with psycopg.connect(inbox.warehouse.transformer) as connection:
        connection.execute("create table marts.t (a int)")
    with (
        psycopg.connect(inbox.warehouse.reader) as reader,
        psycopg.connect(inbox.warehouse.transformer) as transformer,
        ThreadPoolExecutor(1) as pool,
    ):
        reader.execute("select from marts.t")
        done = pool.submit(transformer.execute, "alter table marts.t add column b int")
        while inbox.query(waiting) != [(1,)]:
            time.sleep(0.05)
        watch(inbox)
        assert subjects(inbox) == []
        time.sleep(1.2)
        watch(inbox)
        assert subjects(inbox) == ["role reader holds up the warehouse (all days)"]
        [mail] = mails(inbox.folder)
        assert f"Session: {reader.info.backend_pid}" in mail["text"]
        assert "Waits: transformer" in mail["text"]
        reader.rollback()
        done.result(20)
    watch(inbox)
    assert "recovered after" in subjects(inbox)[-1]


def test_a_manual_build_may_hold_the_lock_of_dbt(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_state, "_LONG_WAIT", timedelta(0))
    impatient = make_conninfo(inbox.warehouse.transformer, options="-c statement_timeout=2s")
    with (
        dbt_lock(inbox.warehouse.transformer, is_alone=True),
        ThreadPoolExecutor(1) as pool,
    ):
        done = pool.submit(clean_up_all, inbox.warehouse.loader, impatient, RunSettings())
        time.sleep(0.5)
        watch(inbox)
        assert isinstance(done.exception(20), UnavailableError)
    assert subjects(inbox) == []
