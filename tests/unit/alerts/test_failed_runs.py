"""A callback and the REST API must give the same failure the same name."""

from datetime import UTC, date, datetime

import pytest

from scripts.alerts.failed_runs import Run, day_of_run, failed_run, named_tests
from scripts.alerts.incident import Kind

pytestmark = pytest.mark.unit

_MOMENT = datetime(2026, 1, 2, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dag_id", "conf", "moment", "run_id", "day"),
    [
        ("ingest_posts", None, _MOMENT, "r", date(2026, 1, 2)),
        ("ingest_posts", {"day": "2025-12-31"}, _MOMENT, "r", date(2025, 12, 31)),
        ("ingest_posts", {"day": None}, _MOMENT, "r", date(2026, 1, 2)),
        ("ingest_posts", {}, None, "scheduled__2026-01-05T00:00:00+00:00", date(2026, 1, 5)),
        ("ingest_earthquakes", None, _MOMENT, "r", date(2026, 1, 1)),
        ("ingest_earthquakes", {"day": "2025-12-31"}, _MOMENT, "r", date(2025, 12, 31)),
        ("ingest_earthquakes", {}, None, "scheduled__2026-01-05T00:00:00", date(2026, 1, 4)),
        ("ingest_posts", {"day": "<!channel>"}, None, "r1", None),
        ("ingest_posts", {"day": "2026-02-31"}, None, "r1", None),
        ("transform_posts", {"days": ["2026-01-01"]}, _MOMENT, "r", None),
        ("watch_pipeline", {}, _MOMENT, "scheduled__2026-01-05", None),
    ],
)
def test_the_day_of_a_run(
    dag_id: str, conf: dict[str, object], moment: datetime, run_id: str, day: date | None
) -> None:
    assert day_of_run(dag_id, conf, moment, run_id) == day


def test_the_tests_that_dbt_names_make_the_class() -> None:
    error = (
        "CosmosDbtRunError: dbt invocation completed with errors: "
        "fct_posts_unique: Got 2 results, configured to fail if != 0 "
        "posts_agree: Got 1 result, configured to fail if != 0"
    )
    assert [(t.name, t.failures) for t in named_tests(error)] == [
        ("fct_posts_unique", 2),
        ("posts_agree", 1),
    ]
    run = Run("transform_posts", "r1", None, "dbt.x")
    incident = failed_run(run, "http://a", error, named_tests(error))
    assert incident.kind is Kind.DBT_TEST_FAILED
    assert incident.facts["Test 1"] == "fct_posts_unique found 2"


def test_a_run_links_to_the_log_of_its_task() -> None:
    incident = failed_run(Run("d", "manual__1+00:00", None, "a.b", 3), "http://a/", "ValueError: x")
    assert incident.links == {
        "Log": "http://a/dags/d/runs/manual__1%2B00%3A00/tasks/a.b?try_number=3",
        "Run": "http://a/dags/d/runs/manual__1%2B00%3A00",
    }
