"""Run the monitor against an inbox, with the parts of Airflow's API that it uses."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from local.switchable import SwitchableServer
from local.switches import Answer, Request, Switches
from scripts.alerts.airflow_api import AirflowApi
from scripts.alerts.monitor import MonitorContext, monitor
from scripts.errors import UnavailableError
from scripts.reconcile.watch import PipelineState
from scripts.settings import Deployment, Endpoint, RunSettings
from tests.inbox import Inbox

NOW = datetime.now(UTC)


QUIET = PipelineState()


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
                "run_after": NOW.isoformat(),
                "start_date": NOW.isoformat(),
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


def watch(
    inbox: Inbox,
    seen: PipelineState | UnavailableError = QUIET,
    airflow: FakeAirflow | None = None,
    *,
    dsn: str = "",
    dbt_dsn: str = "",
    note: list[Any] | None = None,
    heartbeat_url: str = "",
) -> list[Any]:
    """Run the monitor once and return its new note."""
    place = Deployment(environment="local", HEARTBEAT_URL=heartbeat_url)
    opener = airflow.open if airflow else None
    dsns = dsn or inbox.dsn, dbt_dsn or inbox.dbt_dsn
    post = MonitorContext(*dsns, inbox.channels(), place, RunSettings(), "http://airflow", opener)
    return monitor(post, seen, note or [])


def subjects(inbox: Inbox) -> list[str]:
    """Return the subjects of the mails, after a check that Slack got the same messages."""
    subjects = inbox.mail()
    assert [text.split(" ", 1)[1] for text in inbox.slack()] == subjects
    return [subject.removeprefix("[local] ") for subject in subjects]


def add_load(inbox: Inbox, **columns: Any) -> None:
    """Insert one load into the ledger. It is current and published unless `columns` differ."""
    row = {"received": 100, "loaded": 100, "rejected": 0, "published_at": NOW, "loaded_at": NOW}
    inbox.query(
        """
        insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, state,
            seconds, is_current, received, loaded, rejected, published_at, loaded_at)
        values (1, 'posts', %s, 'k', 'e', now(), 1, 'loaded', 1, true, %s, %s, %s, %s, %s)
        """,
        NOW.date(),
        *{**row, **columns}.values(),
    )
