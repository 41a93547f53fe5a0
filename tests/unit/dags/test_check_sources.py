"""A declaration that cannot be used is an import error of its own, and no other DAG is lost."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

import sources

pytestmark = pytest.mark.unit

_DAGS = Path(__file__).parents[3] / "dags"


def test_a_broken_declaration_is_an_import_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = "sources/shop.py:3: key: 'nr' is not in the contract"
    monkeypatch.setattr(sources, "PROBLEMS", {"sources/shop.py": problem})
    bag = DagBag(_DAGS, load_op_links=False)
    [(file, error)] = bag.import_errors.items()
    assert Path(file).name == "check_sources.py"
    assert problem in error
    assert {f"ingest_{name}" for name in sources.SOURCES} < set(bag.dags)


def test_without_a_problem_there_is_no_error_and_no_dag() -> None:
    bag = DagBag(_DAGS / "check_sources.py", load_op_links=False)
    assert (bag.import_errors, list(bag.dags)) == ({}, [])
