"""The DAGs of what is declared, as Airflow parses them."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from sources import PROBLEMS, SOURCES

pytestmark = pytest.mark.unit

_DAGS = Path(__file__).parents[2] / "dags"


def test_every_declaration_can_be_used() -> None:
    assert dict(PROBLEMS) == {}


def test_every_dag_can_be_imported_and_every_source_is_ingested() -> None:
    bag = DagBag(_DAGS, load_op_links=False)
    assert bag.import_errors == {}
    ingests = {f"ingest_{name}" for name in SOURCES}
    assert set(bag.dags) == {*ingests, "transform_posts", "watch_pipeline"}
