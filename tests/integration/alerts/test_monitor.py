"""The alerts for each state of ledger, landing zone and Airflow, and for each one missing."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from local.sinks import mails
from local.switchable import SwitchableServer, running
from local.switches import Answer, Request, Switches
from scripts.alerts.airflow_api import AirflowApi
from scripts.alerts.delivery import report_failure
from scripts.alerts.failed_runs import Run, failed_run
from scripts.alerts.incident import Incident, Kind
from scripts.alerts.monitor import MonitorContext, monitor
from scripts.errors import UnavailableError
from scripts.reconcile.watch import PipelineState
from scripts.settings import Deployment, Endpoint, RunSettings
from tests.inbox import PLACE, Inbox

pytestmark = pytest.mark.integration

_NOW = datetime.now(UTC)
_QUIET = PipelineState([], [], 0, {}, [], None)


class FakeAirflow:
    """The parts of Airflow's REST API that the monitor uses, with responses set by a test."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.import_errors: list[dict[str, Any]] = []
        self.failed_tasks: list[dict[str, Any]] = [{"task_id": "land", "try_number": 2}]
        self.silent_for = {"triggerer": timedelta(0), "dag_processor": timedelta(0)}
        self.server = SwitchableServer(("127.0.0.1", 0), self._answer, Switches)

    def run(self, dag_id: str, state: str, ended: datetime | None = None, **conf: str) -> None:
        self.runs.append(
            {
                "dag_id": dag_id,
                "dag_run_id": f"manual__{len(self.runs)}",
                "state": state,
                "logical_date": None,
                "run_after": _NOW.isoformat(),
                "start_date": _NOW.isoformat(),
                "end_date": (ended or datetime.now(UTC)).isoformat(),
                "conf": conf,
            }
        )

    def open(self) -> AirflowApi:
        return AirflowApi(Endpoint(self.server.url, login=("viewer", "pw")), 5)

    def _answer(self, request: Request, _: Switches) -> Answer:
        path = request.path.removeprefix("/api/v2")
        if path == "/auth/token":
            body: Any = {"access_token": "t"}
        elif path == "/importErrors":
            body = {"import_errors": self.import_errors}
        elif path == "/monitor/health":
            now = datetime.now(UTC)
            body = {
                name: {f"latest_{name}_heartbeat": (now - silent).isoformat()}
                for name, silent in self.silent_for.items()
            }
        elif path.endswith("/taskInstances"):
            body = {"task_instances": self.failed_tasks}
        elif path.endswith("/details"):
            body = {"dag_run_timeout": "PT2H"}
        else:
            dag_id = request.query.get("dag_id_pattern", "")
            body = {
                "dag_runs": [
                    run
                    for run in self.runs
                    if run["state"] == request.query["state"]
                    and dag_id in run["dag_id"]
                    and run["end_date"] >= request.query["end_date_gte"]
                ]
            }
        return Answer(json.dumps(body).encode())


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    found = FakeAirflow()
    with running(found.server):
        yield found


@pytest.fixture
def pings() -> Iterator[SwitchableServer[Switches]]:
    with running(SwitchableServer(("127.0.0.1", 0), lambda *_: Answer(b"OK"), Switches)) as server:
        yield server


def _watch(
    inbox: Inbox,
    seen: PipelineState | UnavailableError = _QUIET,
    airflow: FakeAirflow | None = None,
    *,
    dsn: str = "",
    note: list[Any] | None = None,
    heartbeat_url: str = "",
) -> list[Any]:
    place = Deployment(environment="local", HEARTBEAT_URL=heartbeat_url)
    opener = airflow.open if airflow else None
    post = MonitorContext(
        dsn or inbox.dsn, inbox.channels(), place, RunSettings(), "http://airflow", opener
    )
    return monitor(post, seen, note or [])


def _subjects(inbox: Inbox) -> list[str]:
    """Return the subjects of the mails, after a check that Slack got the same messages."""
    subjects = inbox.mail()
    assert [text.split(" ", 1)[1] for text in inbox.slack()] == subjects
    return [subject.removeprefix("[local] ") for subject in subjects]


def _load(inbox: Inbox, **columns: Any) -> None:
    """Insert one load into the ledger. It is current and published unless `columns` differ."""
    row = {"received": 100, "loaded": 100, "rejected": 0, "published_at": _NOW, "loaded_at": _NOW}
    inbox.query(
        """
        insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, state,
            seconds, is_current, received, loaded, rejected, published_at, loaded_at)
        values (1, 'posts', %s, 'k', 'e', now(), 1, 'loaded', 1, true, %s, %s, %s, %s, %s)
        """,
        _NOW.date(),
        *{**row, **columns}.values(),
    )


def test_a_late_day_is_told_once_and_its_landing_too(inbox: Inbox) -> None:
    late = PipelineState(["posts/2026-01-02"], [], 0, {}, [], None)
    _watch(inbox, late)
    _watch(inbox, late)
    assert _subjects(inbox) == ["posts has not landed (2026-01-02)"]

    _watch(inbox)
    assert "recovered after" in _subjects(inbox)[-1]


def test_a_parked_object_is_told_with_its_reason(inbox: Inbox) -> None:
    _watch(inbox, PipelineState([], [], 0, {"posts/2026-01-02": "no list, at byte 0"}, [], None))
    assert _subjects(inbox) == ["posts: an object was parked (2026-01-02)"]
    assert "Reason: no list, at byte 0" in mails(inbox.folder)[0]["text"]


@pytest.mark.parametrize(
    ("columns", "subject"),
    [
        (
            {"published_at": None, "loaded_at": _NOW - timedelta(hours=2)},
            "loads are loaded but not published (all days)",
        ),
        ({"published_at": _NOW - timedelta(hours=40)}, "marts are stale (all days)"),
        ({"loaded": 97, "rejected": 3}, f"posts has many rejected records ({_NOW.date()})"),
    ],
)
def test_what_the_ledger_shows_is_told_until_it_is_over(
    inbox: Inbox, columns: dict[str, Any], subject: str
) -> None:
    _load(inbox, **columns)
    _watch(inbox)
    assert _subjects(inbox) == [subject]

    inbox.query(
        "update ops.loads set published_at = %s, received = 97, rejected = 0, loaded = 97", _NOW
    )
    _watch(inbox)
    assert "recovered after" in _subjects(inbox)[-1]


@pytest.mark.parametrize(
    "columns",
    [{"published_at": None, "loaded_at": _NOW}, {"loaded": 99, "rejected": 1}, {}],
)
def test_what_is_within_its_limits_is_not_told(inbox: Inbox, columns: dict[str, Any]) -> None:
    _load(inbox, **columns)
    _watch(inbox)
    assert _subjects(inbox) == []


def test_an_unusual_volume_is_told(inbox: Inbox) -> None:
    import psycopg

    with psycopg.connect(inbox.warehouse.transformer) as connection:
        connection.execute(
            "create table build.fct_daily_loads as select 'posts'::text as source,"
            " current_date as day, 3 as loaded, -4.2::float8 as z_score"
        )
    _watch(inbox)
    assert _subjects(inbox) == [f"posts has an unusual number of rows ({_NOW.date()})"]


def test_a_failed_run_that_no_callback_told_is_told(inbox: Inbox, airflow: FakeAirflow) -> None:
    airflow.run("ingest_posts", "failed", day="2026-01-02")
    airflow.run("ingest_posts", "success", day="2026-01-01")
    _watch(inbox, airflow=airflow)
    assert _subjects(inbox) == ["ingest_posts failed (2026-01-02)"]
    assert "/tasks/land?try_number=2" in mails(inbox.folder)[0]["text"]

    later = datetime.now(UTC) + timedelta(minutes=1)
    airflow.run("ingest_posts", "success", later, day="2026-01-02")
    _watch(inbox, airflow=airflow)
    assert "recovered after" in _subjects(inbox)[-1]


def test_a_failed_run_that_a_callback_told_is_not_told_again(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    day = date(2026, 1, 2)
    incident = failed_run(Run("ingest_posts", "manual__0", day, "land"), "http://a", "E: x")
    report_failure(inbox.dsn, incident, inbox.channels(), PLACE, is_again=True)
    airflow.run("ingest_posts", "failed", day="2026-01-02")
    _watch(inbox, airflow=airflow)
    assert _subjects(inbox) == ["ingest_posts failed (2026-01-02)"]

    airflow.runs.clear()  # runs older than the lookback are not a success
    _watch(inbox, airflow=airflow)
    assert len(_subjects(inbox)) == 1


@pytest.mark.parametrize(
    ("minutes", "words"), [(119, "failed"), (120, "timed out")], ids=["marked", "timed out"]
)
def test_a_failed_run_without_a_failed_task_has_run_out_of_time_or_not(
    inbox: Inbox, airflow: FakeAirflow, minutes: int, words: str
) -> None:
    airflow.failed_tasks = []
    airflow.run("ingest_posts", "failed", _NOW + timedelta(minutes=minutes), day="2026-01-02")
    _watch(inbox, airflow=airflow)
    assert _subjects(inbox) == [f"ingest_posts {words} (2026-01-02)"]


def test_a_broken_file_and_a_silent_part_are_told(inbox: Inbox, airflow: FakeAirflow) -> None:
    trace = "Traceback: secret rows\nValueError: password=hunter2hunter2"
    airflow.import_errors = [{"filename": "x.py", "bundle_name": "dags", "stack_trace": trace}]
    airflow.silent_for["triggerer"] = timedelta(minutes=5)
    _watch(inbox, airflow=airflow)
    assert sorted(_subjects(inbox)) == [
        "Airflow's triggerer sends no heartbeat (all days)",
        "x.py cannot be imported (all days)",
    ]
    assert "hunter2" not in str(mails(inbox.folder))

    airflow.import_errors, airflow.silent_for["triggerer"] = [], timedelta(0)
    _watch(inbox, airflow=airflow)
    assert len([text for text in _subjects(inbox) if "recovered" in text]) == 2


def test_a_landing_zone_or_an_api_that_is_away_is_told_and_the_rest_goes_on(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    airflow.server.switches = Switches(status=503)
    _load(inbox, loaded=90, rejected=10)
    _watch(inbox, UnavailableError("list raw/: EndpointConnectionError"), airflow)
    assert sorted(_subjects(inbox)) == [
        f"posts has many rejected records ({_NOW.date()})",
        "the Airflow API does not answer (all days)",
        "the landing zone does not answer (all days)",
    ]
    airflow.server.switches = Switches()
    _watch(inbox, airflow=airflow)
    assert len([text for text in _subjects(inbox) if "recovered" in text]) == 2


def test_a_warehouse_that_is_away_is_told_once_and_its_return_too(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    away = f"host=127.0.0.1 port=1 dbname={inbox.warehouse.name}"
    gone = UnavailableError("warehouse: connection refused")
    airflow.run("transform_posts", "failed")
    note = _watch(inbox, gone, airflow, dsn=away)
    note = _watch(inbox, gone, airflow, dsn=away, note=json.loads(json.dumps(note)))
    assert _subjects(inbox) == ["the warehouse does not answer (all days)"]

    airflow.runs.clear()
    assert _watch(inbox, airflow=airflow, note=note) == []
    assert "recovered after" in _subjects(inbox)[-1]
    assert len(_subjects(inbox)) == 2
    assert inbox.query("select kind, closed_at is not null from ops.incidents") == [
        ("no-answer", True)
    ]


def test_a_channel_that_takes_nothing_is_told_on_the_other_and_its_return_too(
    inbox: Inbox,
) -> None:
    inbox.switch(status=500)
    _watch(inbox, PipelineState(["posts/2026-01-02"], [], 0, {}, [], None))
    for _ in range(2):
        inbox.let_time_pass()
        _watch(inbox, PipelineState(["posts/2026-01-02"], [], 0, {}, [], None))
    subjects = inbox.mail()
    assert subjects[1:] == ["[local] slack does not accept alerts (all days)"]

    inbox.switch()
    inbox.let_time_pass()
    for _ in range(2):
        _watch(inbox, PipelineState(["posts/2026-01-02"], [], 0, {}, [], None))
    assert inbox.slack() == ["🔴 [local] posts has not landed (2026-01-02)"]
    assert "recovered after" in inbox.mail()[-1]
    assert len(inbox.mail()) == 3


def test_the_dead_mans_switch_is_pinged_and_told_when_nobody_else_can_be(
    inbox: Inbox, pings: SwitchableServer[Switches]
) -> None:
    url = f"{pings.url}/uuid"
    _watch(inbox, heartbeat_url=url)
    inbox.without("PIPELINE_ALERT_EMAIL")
    inbox.switch(drop=True)
    _watch(inbox, PipelineState(["posts/2026-01-02"], [], 0, {}, [], None), heartbeat_url=url)
    inbox.switch()
    inbox.let_time_pass()
    _watch(inbox, heartbeat_url=url)
    assert [request.path for request in pings.requests] == ["/uuid", "/uuid/fail", "/uuid"]


def test_a_dead_mans_switch_that_is_dead_stops_nothing(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    _watch(inbox, heartbeat_url="http://127.0.0.1:1/pl4nted-uuid")
    assert "HEARTBEAT_URL did not accept the ping: ConnectionError" in caplog.text
    assert "pl4nted" not in caplog.text


def test_an_incident_is_recorded_with_its_class_and_day(inbox: Inbox) -> None:
    _watch(inbox, PipelineState(["posts/2026-01-02"], [], 0, {}, [], None))
    assert inbox.query("select fingerprint, kind, subject, day, seen from ops.incidents") == [
        ("posts/day-late/2026-01-02", "day-late", "posts", date(2026, 1, 2), 1)
    ]
    assert Incident(Kind.DAY_LATE, "posts", date(2026, 1, 2)).fingerprint
