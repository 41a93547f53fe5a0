"""A parameter that no DAG declares is refused, and one day has one name in all DAGs."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from dags.common.parameters import check_conf, ingest_days, named_days
from scripts.errors import InvalidInputError
from sources.earthquakes import EARTHQUAKES
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("declared", "conf", "named"),
    [
        (["day"], {"days": ["2026-01-31"]}, "no parameter days. Its parameters: day"),
        (["day"], {"day": "2026-01-31", "Day": "x"}, "no parameter Day. Its parameters: day"),
        (["days", "day"], {"date": "2026-01-31"}, "date. Its parameters: day, days"),
        ([], {"day": "2026-01-31"}, "no parameter day. Its parameters: none"),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_known_ones(
    declared: list[str], conf: dict[str, Any], named: str
) -> None:
    dag: Any = SimpleNamespace(dag_id="d", params=dict.fromkeys(declared))
    with pytest.raises(InvalidInputError, match=named):
        check_conf(SimpleNamespace(conf=conf), dag)


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("ingest_posts", None),
        ("ingest_posts", {}),
        ("ingest_posts", {"day": "2026-01-31"}),
        ("transform_posts", {"day": "2026-01-31"}),
        ("transform_posts", {"days": []}),
    ],
)
def test_declared_parameters_pass(
    dags: dict[str, DAG], dag_id: str, conf: dict[str, Any] | None
) -> None:
    check_conf(SimpleNamespace(conf=conf), dags[dag_id])


@pytest.mark.parametrize(
    ("params", "days"),
    [
        ({"day": None, "days": []}, []),
        ({"day": "2026-01-31", "days": []}, ["2026-01-31"]),
        ({"day": "2026-01-31", "days": ["2026-01-30", "2026-01-31"]}, ["2026-01-30", "2026-01-31"]),
    ],
)
def test_a_day_can_be_named_alone_or_in_a_list(params: dict[str, Any], days: list[str]) -> None:
    assert named_days(params) == days


MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_type", "logical_date", "named", "days"),
    [
        ("scheduled", MIDNIGHT, None, [31, 30, 29, 28]),
        ("manual", None, None, [31, 30, 29, 28]),
        ("backfill", MIDNIGHT, None, [31]),
        ("manual", None, "2026-01-05", [5]),
        ("scheduled", MIDNIGHT, "", [31, 30, 29, 28]),
    ],
)
def test_a_run_of_a_window_asks_for_days_that_have_ended(
    run_type: str, logical_date: datetime | None, named: str | None, days: list[int]
) -> None:
    run = SimpleNamespace(run_type=run_type, logical_date=logical_date, run_after=MIDNIGHT)
    found = ingest_days(EARTHQUAKES, run, named)
    assert found == [date(2026, 1, day) for day in days]
    assert len(ingest_days(POSTS, run, named)) == 1


def test_a_day_that_cannot_be_is_refused() -> None:
    run = SimpleNamespace(run_type="manual", logical_date=None, run_after=MIDNIGHT)
    with pytest.raises(InvalidInputError, match="YYYY-MM-DD"):
        ingest_days(POSTS, run, "2026-02-30")
