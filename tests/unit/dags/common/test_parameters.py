"""A parameter that no DAG declares is refused, and one day has one name in all DAGs."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from dags.common.parameters import check_conf, named_days
from scripts.errors import InvalidInputError

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
