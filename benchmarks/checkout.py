"""A copy of this project with its first models. Invariant: only the models differ."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.measure import DBT, ROOT, environment

_FIRST_MARTS = ROOT / "benchmarks" / "first_models"
_PARTS = ("callbacks", "dags", "dbt", "deploy", "docs", "local", "scripts", "sources")
_LATER = ("models/marts", "tests/singular")
_MADE = shutil.ignore_patterns("__pycache__", "target", "logs")


def with_first_models(folder: Path) -> Path:
    """Copy the project into a new folder, remove the later models, and parse it.

    Its dbt project has the models pinned_loads, published_days, carried_rows, stg_posts, fct_posts
    and dim_authors.

    Raises:
        subprocess.CalledProcessError: dbt cannot parse them.
    """
    for part in _PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=_MADE)
    project = folder / "dbt"
    for later in _LATER:
        shutil.rmtree(project / later)
    staged = [f"staging/stg_{name}.*" for name in ("comments", "users", "earthquakes")]
    for pattern in (*staged, "intermediate/int_*"):
        for path in (project / "models").glob(pattern):
            path.unlink()
    shutil.copytree(_FIRST_MARTS, project / "models" / "marts")
    subprocess.run(
        [DBT, "--quiet", "parse", "--project-dir", project, "--profiles-dir", project],
        env=environment(),
        check=True,
    )
    return folder
