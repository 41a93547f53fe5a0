"""The alerts about Airflow: failed runs, import errors and missing heartbeats."""

from datetime import UTC, date, datetime, timedelta

import pytest

from local.sinks import mails
from scripts.alerts.delivery import report_failure
from scripts.alerts.failed_runs import Run, failed_run
from tests.inbox import PLACE, Inbox
from tests.integration.alerts.harness import NOW, FakeAirflow, subjects, watch

pytestmark = pytest.mark.integration


def test_a_failed_run_that_no_callback_reported_is_reported(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    airflow.run("ingest_posts", "failed", day="2026-01-02")
    airflow.run("ingest_posts", "success", day="2026-01-01")
    watch(inbox, airflow=airflow)
    assert subjects(inbox) == ["ingest_posts failed (2026-01-02)"]
    assert "/tasks/land?try_number=2" in mails(inbox.folder)[0]["text"]

    later = datetime.now(UTC) + timedelta(minutes=1)
    airflow.run("ingest_posts", "success", later, day="2026-01-02")
    watch(inbox, airflow=airflow)
    assert "recovered after" in subjects(inbox)[-1]


def test_a_failed_run_that_a_callback_reported_is_not_reported_again(
    inbox: Inbox, airflow: FakeAirflow
) -> None:
    day = date(2026, 1, 2)
    incident = failed_run(Run("ingest_posts", "manual__0", day, "land"), "http://a", "E: x")
    report_failure(inbox.dsn, incident, inbox.channels(), PLACE, is_again=True)
    airflow.run("ingest_posts", "failed", day="2026-01-02")
    watch(inbox, airflow=airflow)
    assert subjects(inbox) == ["ingest_posts failed (2026-01-02)"]

    airflow.runs.clear()  # runs older than the lookback are not a success
    watch(inbox, airflow=airflow)
    assert len(subjects(inbox)) == 1


@pytest.mark.parametrize(
    ("minutes", "words"), [(119, "failed"), (120, "timed out")], ids=["marked", "timed out"]
)
def test_a_failed_run_without_a_failed_task_has_run_out_of_time_or_not(
    inbox: Inbox, airflow: FakeAirflow, minutes: int, words: str
) -> None:
    airflow.failed_tasks = []
    airflow.run("ingest_posts", "failed", NOW + timedelta(minutes=minutes), day="2026-01-02")
    watch(inbox, airflow=airflow)
    assert subjects(inbox) == [f"ingest_posts {words} (2026-01-02)"]


def test_a_broken_file_and_a_silent_part_are_reported(inbox: Inbox, airflow: FakeAirflow) -> None:
    trace = "Traceback: secret rows\nValueError: password=hunter2hunter2"
    airflow.import_errors = [{"filename": "x.py", "bundle_name": "dags", "stack_trace": trace}]
    airflow.silent_for["triggerer"] = timedelta(minutes=5)
    watch(inbox, airflow=airflow)
    assert sorted(subjects(inbox)) == [
        "Airflow's triggerer sends no heartbeat (all days)",
        "x.py cannot be imported (all days)",
    ]
    assert "hunter2" not in str(mails(inbox.folder))

    airflow.import_errors, airflow.silent_for["triggerer"] = [], timedelta(0)
    watch(inbox, airflow=airflow)
    assert len([text for text in subjects(inbox) if "recovered" in text]) == 2
