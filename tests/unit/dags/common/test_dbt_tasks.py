"""The dbt tasks: what drawing the graph may not do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[4]


def test_drawing_the_graph_writes_nothing_to_the_cache(tmp_path: Path) -> None:
    """A DAG file is parsed every few minutes, by processes that may not write anywhere."""
    cache = tmp_path / "cosmos"
    done = subprocess.run(
        [sys.executable, "-c", "import dags.transform_posts"],
        cwd=_ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{_ROOT}:{_ROOT / 'deploy' / 'airflow'}",
            "AIRFLOW__COSMOS__CACHE_DIR": str(cache),
            "PIPELINE_DBT_SINGLE_TASK": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list(cache.rglob("transform_posts__single")), "created while parsing"
