"""The monitor when a component does not answer: what it reports, and what continues."""

import json
from collections.abc import Iterator

import pytest

from local.switchable import SwitchableServer, running
from local.switches import Answer, Switches
from scripts.errors import UnavailableError
from scripts.reconcile.watch import PipelineState
from tests.inbox import Inbox
from tests.integration.alerts.harness import NOW, FakeAirflow, add_load, subjects, watch

pytestmark = pytest.mark.integration


@pytest.fixture
def pings() -> Iterator[SwitchableServer[Switches]]:
    with running(SwitchableServer(("127.0.0.1", 0), lambda *_: Answer(b"OK"), Switches)) as server:
        yield server


def test_a_landing_zone_or_an_api_that_is_away_is_reported_and_the_rest_goes_on(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    airflow.server.switches = Switches(status=503)
    add_load(inbox, loaded=90, rejected=10)
    watch(inbox, UnavailableError("list raw/: EndpointConnectionError"), airflow)
    assert sorted(subjects(inbox)) == [
        f"posts has many rejected records ({NOW.date()})",
        "the Airflow API does not answer (all days)",
        "the landing zone does not answer (all days)",
    ]
    airflow.server.switches = Switches()
    watch(inbox, airflow=airflow)
    assert len([text for text in subjects(inbox) if "recovered" in text]) == 2


def test_a_warehouse_that_is_away_is_reported_once_and_its_return_too(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    away = f"host=127.0.0.1 port=1 dbname={inbox.warehouse.name}"
    gone = UnavailableError("warehouse: connection refused")
    airflow.run("transform_posts", "failed")
    note = watch(inbox, gone, airflow, dsn=away)
    note = watch(inbox, gone, airflow, dsn=away, note=json.loads(json.dumps(note)))
    assert subjects(inbox) == ["the warehouse does not answer (all days)"]

    airflow.runs.clear()
    assert watch(inbox, airflow=airflow, note=note) == []
    assert "recovered after" in subjects(inbox)[-1]
    assert len(subjects(inbox)) == 2
    assert inbox.query("select kind, closed_at is not null from ops.incidents") == [
        ("no-answer", True)
    ]


def test_a_channel_that_takes_nothing_is_reported_on_the_other_and_its_return_too(
    inbox: Inbox,
) -> None:
    inbox.switch(status=500)
    watch(inbox, PipelineState(late=["posts/2026-01-02"]))
    for _ in range(2):
        inbox.let_time_pass()
        watch(inbox, PipelineState(late=["posts/2026-01-02"]))
    subjects = inbox.mail()
    assert subjects[1:] == ["[local] slack does not accept alerts (all days)"]

    inbox.switch()
    inbox.let_time_pass()
    for _ in range(2):
        watch(inbox, PipelineState(late=["posts/2026-01-02"]))
    assert inbox.slack() == ["🔴 [local] posts has not landed (2026-01-02)"]
    assert "recovered after" in inbox.mail()[-1]
    assert len(inbox.mail()) == 3


def test_the_dead_mans_switch_is_pinged_and_reports_when_no_channel_works(
    inbox: Inbox, pings: SwitchableServer[Switches]
) -> None:
    url = f"{pings.url}/uuid"
    watch(inbox, heartbeat_url=url)
    inbox.without("PIPELINE_ALERT_EMAIL")
    inbox.switch(drop=True)
    watch(inbox, PipelineState(late=["posts/2026-01-02"]), heartbeat_url=url)
    inbox.switch()
    inbox.let_time_pass()
    watch(inbox, heartbeat_url=url)
    assert [request.path for request in pings.requests] == ["/uuid", "/uuid/fail", "/uuid"]


def test_a_ping_follows_no_redirect(
    inbox: Inbox, pings: SwitchableServer[Switches], caplog: pytest.LogCaptureFixture
) -> None:
    pings.switches = Switches(status=302, headers={"Location": f"{pings.url}/elsewhere"})
    watch(inbox, heartbeat_url=f"{pings.url}/uuid")
    assert [request.path for request in pings.requests] == ["/uuid"]
    assert "HEARTBEAT_URL answers 302, expected 2xx" in caplog.text


def test_a_dead_mans_switch_that_is_dead_stops_nothing(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    watch(inbox, heartbeat_url="http://127.0.0.1:1/pl4nted-uuid")
    assert "HEARTBEAT_URL did not accept the ping: ConnectionError" in caplog.text
    assert "pl4nted" not in caplog.text
