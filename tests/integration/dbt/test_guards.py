"""Every test of the dbt project passes on healthy days, and fails when its model is broken.

``make mutants`` breaks the models. Each of its patches that names one of these tests proves that
the dbt test of that name can fail.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from local.postgres import PostgresServer
from tests.integration.dbt.support import (
    Baseline,
    Dbt,
    Loader,
    comment,
    days,
    earthquake,
    post,
    user,
)

pytestmark = pytest.mark.integration

FIRST, SECOND = days(2)
_MUTANTS = Path(__file__).parents[2] / "mutants"
_NAMED = re.compile(r"^test: .*::test_a_test_of_the_project_passes\[(.*)\]")
GUARDED = sorted(
    {
        found[1]
        for patch in _MUTANTS.glob("dbt_*.patch")
        if (found := _NAMED.match(patch.read_text()))
    }
)


@pytest.fixture(scope="module")
def outcomes(
    postgres: PostgresServer, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """The result of each dbt test, by name, for two days of which one was loaded twice."""
    warehouse = Baseline(postgres, _migrated_template, "dbt_guards").warehouse
    dbt = Dbt(warehouse, tmp_path_factory.mktemp("dbt"))
    posts = Loader(warehouse)
    posts.load(FIRST, [post(9)])
    posts.load(FIRST, [post(1, author=1), post(2, author=1), post(3, author=2), post(4, author=2)])
    posts.load(SECOND, [post(1, "edited", author=1), post(2, author=1), post(3, author=2)])
    Loader(warehouse, "users").load(FIRST, [user(1), user(2)])
    Loader(warehouse, "users").load(SECOND, [user(1)], rejects=[2])
    for day in (FIRST, SECOND):
        Loader(warehouse, "comments").load(day, [comment(n, 1) for n in (101, 102)])
    quakes = Loader(warehouse, "earthquakes")
    for day in (FIRST, SECOND):
        moment = datetime.combine(day, time(23, 59, 59, 999_000), UTC)
        quakes.load(day, [earthquake(f"q{day.day}", moment), earthquake(f"r{day.day}", moment)])
    dbt.invoke("run")  # not build: a failing test must not skip other tests
    results = dbt.invoke("test", env={"DBT_EXCLUDE_RESOURCE_TYPES": ""}).result.results
    tests = [r for r in results if r.node.resource_type in ("test", "unit_test")]
    return {result.node.name: str(result.status) for result in tests}


@pytest.mark.parametrize("name", GUARDED)
def test_a_test_of_the_project_passes(outcomes: Mapping[str, str], name: str) -> None:
    assert outcomes[name] == "pass"


def test_every_test_of_a_model_is_guarded(outcomes: Mapping[str, str]) -> None:
    of_sources = {"one_current_load_a_day", "current_loads_know_their_content"}
    assert set(outcomes) == {*GUARDED, *of_sources}
