"""One message of every class and form. The golden files beside this module hold their texts.

A review of the golden files shows every change of wording. To write them again, run
`python -m tests.unit.alerts.samples`.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from scripts.alerts.failed_runs import Run, failed_run, named_tests
from scripts.alerts.incident import Incident, IncidentRecord, Kind, no_answer
from scripts.alerts.messages import Notice, digest_of, notice_of
from scripts.settings import Deployment

GOLDEN = Path(__file__).parent / "golden"
AIRFLOW = "https://airflow.example.com"
DAY = date(2026, 1, 2)
OPENED = datetime(2026, 1, 2, 7, 30, tzinfo=UTC)
PLACE = Deployment(
    environment="prod",
    owner="data-team",
    alert_mention="<!subteam^S123>",
    runbook_url="https://example.com/runbook.md",
)
_TESTS = (
    "CosmosDbtRunError: dbt invocation completed with errors: "
    "fct_posts_unique: Got 2 results, configured to fail if != 0"
)


def incidents() -> dict[Kind, Incident]:
    """Return an incident of every class, as the detecting code creates it."""
    ingest = Run("ingest_posts", "scheduled__2026-01-02T00:00:00+00:00", DAY, "land", 3)
    transform = Run("transform_posts", "asset_triggered__1", None, "dbt.fct_posts", 1)
    return {
        Kind.RUN_FAILED: failed_run(ingest, AIRFLOW, "InvalidDataError: the answer is HTML"),
        Kind.RUN_TIMED_OUT: failed_run(
            Run("transform_posts", "manual__1", None), AIRFLOW, "timed_out", is_timed_out=True
        ),
        Kind.DBT_TEST_FAILED: failed_run(transform, AIRFLOW, _TESTS, named_tests(_TESTS)),
        Kind.NO_ANSWER: no_answer("warehouse", ConnectionError("refused")),
        **{
            kind: Incident.new(kind, subject, day, facts)
            for kind, subject, day, facts in (
                (Kind.DAY_LATE, "posts", DAY, {"Object": "raw/posts/2026-01-02.json"}),
                (
                    Kind.LOAD_UNPUBLISHED,
                    "loads",
                    None,
                    {"Days": "2, from 2026-01-01 to 2026-01-02"},
                ),
                (Kind.MARTS_STALE, "marts", None, {"Age": "over 36 hours (40)"}),
                (Kind.VOLUME_UNUSUAL, "posts", DAY, {"Rows": "3", "Deviation": "-4.1"}),
                (Kind.OBJECT_PARKED, "posts", DAY, {"Reason": "no list, at byte 0"}),
                (Kind.MANY_REJECTS, "posts", DAY, {"Rejected": "3 of 100 (3.0%)"}),
                (
                    Kind.OBJECT_DELETED,
                    "posts",
                    None,
                    {"Objects": "2, from 2026-01-01 to 2026-01-02"},
                ),
                (Kind.MART_UNOWNED, "marts.dim_extra", None, {}),
                (Kind.LOCK_HELD, "reader", None, {"Session": "4711", "Waits": "transformer"}),
                (Kind.DAG_IMPORT_ERROR, "ingest.py", None, {"Error": "SyntaxError: invalid"}),
                (Kind.NO_HEARTBEAT, "triggerer", None, {"Latest": "2026-01-02T07:00:00Z"}),
                (Kind.DELIVERY_FAILED, "slack", None, {"Error": "slack answers 500"}),
            )
        },
    }


def notices() -> dict[str, Notice]:
    """Return every message by the name of its golden file."""
    found = incidents()
    begun = {kind: IncidentRecord(one, 7, OPENED, None, 1) for kind, one in found.items()}
    closed = OPENED + timedelta(minutes=12, seconds=5)
    over = IncidentRecord(found[Kind.RUN_FAILED], 7, OPENED, closed, 3)
    storm = [
        IncidentRecord(Incident.new(Kind.DAY_LATE, "posts", DAY + timedelta(n)), n)
        for n in range(1, 13)
    ]
    return {
        **{kind.value: notice_of(one, PLACE, OPENED) for kind, one in begun.items()},
        "recovered": notice_of(over, PLACE, OPENED),
        "without-warehouse": notice_of(IncidentRecord(found[Kind.RUN_FAILED]), PLACE, None),
        "storm": digest_of([*storm, begun[Kind.RUN_FAILED]], PLACE, OPENED),
    }


def dressed(notice: Notice) -> dict[str, str]:
    """Return each rendering of a message by file extension."""
    slack = json.dumps(notice.slack(), indent=2, ensure_ascii=False)
    return {"slack.json": slack + "\n", "txt": notice.text() + "\n", "html": notice.html() + "\n"}


if __name__ == "__main__":
    for old in GOLDEN.iterdir():
        old.unlink()
    for name, notice in notices().items():
        for ending, text in dressed(notice).items():
            (GOLDEN / f"{name}.{ending}").write_text(text)
