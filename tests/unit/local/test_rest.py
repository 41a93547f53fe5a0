"""The client sends to Airflow's REST API what it documents, and returns what it answers."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from scripts.errors import UnavailableError
from tests.unit.local.rest_api import RestApi, rest_api

pytestmark = pytest.mark.unit


@pytest.fixture
def airflow() -> Iterator[RestApi]:
    with rest_api() as served:
        yield served


def test_a_dag_is_found_by_its_exact_name(airflow: RestApi) -> None:
    """Airflow's pattern also finds the DAGs that only contain the name."""
    dags = [{"dag_id": "ingest_posts_again"}, {"dag_id": "ingest_posts", "is_paused": True}]
    airflow.answers["/dags"] = {"dags": dags}
    assert airflow.client().dag("ingest_posts") == dags[1]
    assert airflow.server.requests[-1].query["dag_id_pattern"] == "ingest_posts"
    assert airflow.client().dag("ingest") is None


def test_a_manual_run_has_its_configuration_and_no_logical_date(airflow: RestApi) -> None:
    airflow.answers["/dags/ingest_posts/dagRuns"] = {"dag_run_id": "manual__1"}
    assert airflow.client().trigger("ingest_posts", {"day": "2026-01-31"}) == "manual__1"
    body = {"logical_date": None, "conf": {"day": "2026-01-31"}}
    assert airflow.last() == ("POST", "/dags/ingest_posts/dagRuns", body)


def test_a_backfill_names_its_days_and_what_it_runs_again(airflow: RestApi) -> None:
    airflow.answers["/backfills"] = {}
    airflow.client().backfill("ingest_posts", "2026-01-01", "2026-01-31", again="failed")
    body = {
        "dag_id": "ingest_posts",
        "from_date": "2026-01-01T00:00Z",
        "to_date": "2026-01-31T00:00Z",
        "reprocess_behavior": "failed",
    }
    assert airflow.last() == ("POST", "/backfills", body)


def test_a_dag_is_paused_and_a_run_is_cleared(airflow: RestApi) -> None:
    airflow.answers |= {"/dags/ingest_posts": {}, "/dags/ingest_posts/dagRuns/r/clear": {}}
    client = airflow.client()
    client.pause("ingest_posts", is_paused=False)
    assert airflow.last() == ("PATCH", "/dags/ingest_posts", {"is_paused": False})
    client.clear("ingest_posts", "r")
    assert airflow.last() == ("POST", "/dags/ingest_posts/dagRuns/r/clear", {"dry_run": False})


def test_runs_are_asked_for_from_a_moment_on_and_in_their_order(airflow: RestApi) -> None:
    runs = [{"dag_run_id": "1"}, {"dag_run_id": "2"}]
    airflow.answers["/dags/transform_posts/dagRuns"] = {"dag_runs": runs}
    since = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert airflow.client().runs_since("transform_posts", since) == runs
    query = airflow.server.requests[-1].query
    assert (query["run_after_gte"], query["order_by"]) == (since.isoformat(), "run_after")


def test_what_is_listed_is_returned(airflow: RestApi) -> None:
    airflow.answers |= {
        "/importErrors": {"import_errors": [{"filename": "a.py"}]},
        "/dags/~/dagRuns": {"dag_runs": [{"dag_run_id": "r"}]},
        "/dags/d/dagRuns/r": {"dag_run_id": "r", "state": "running"},
        "/dags/d/dagRuns/r/taskInstances": {"task_instances": [{"task_id": "load"}]},
    }
    client = airflow.client()
    assert client.import_errors() == [{"filename": "a.py"}]
    assert client.active_runs() == [{"dag_run_id": "r"}]
    assert client.run("d", "r")["state"] == "running"
    assert client.tasks("d", "r") == [{"task_id": "load"}]


def test_an_unknown_run_names_its_path(airflow: RestApi) -> None:
    with pytest.raises(UnavailableError, match="GET /api/v2/dags/d/dagRuns/r returned 404"):
        airflow.client().run("d", "r")
