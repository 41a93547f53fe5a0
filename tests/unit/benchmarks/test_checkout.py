"""The copy with the first models is a separate dbt project."""

from pathlib import Path

import pytest

from benchmarks.checkout import with_first_models

pytestmark = pytest.mark.unit


def test_the_copy_has_the_first_models_and_can_be_parsed(tmp_path: Path) -> None:
    project = with_first_models(tmp_path / "project") / "dbt"
    models = {path.stem for path in (project / "models").rglob("*.sql")}
    assert models == {
        "pinned_loads",
        "published_days",
        "carried_rows",
        "stg_posts",
        "fct_posts",
        "dim_authors",
    }
    assert (project / "target" / "manifest.json").exists()
