"""The DAGs as Airflow parses them."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from sources import SOURCES

ROOT = Path(__file__).parents[3]
DAGS = ROOT / "dags"
DAG_IDS = sorted([*(f"ingest_{name}" for name in SOURCES), "transform_posts", "watch_pipeline"])


@pytest.fixture(scope="session")
def dags() -> dict[str, DAG]:
    bag = DagBag(DAGS, load_op_links=False)
    assert bag.import_errors == {}
    return dict(bag.dags)
