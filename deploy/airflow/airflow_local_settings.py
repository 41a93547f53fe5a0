"""Airflow's hook for local settings. Invariant: only what forks tasks pays for importing dbt.

Importing dbt and parsing the project for the first time cost more than a small build. LocalExecutor
forks its tasks from the scheduler, a Celery worker from itself: what they have done once, every
task inherits. Put this file's folder on PYTHONPATH; docs/adr/0004-dbt-preload.md has the figures.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def _warm_up_dbt() -> None:
    """Import what a dbt task imports, and parse the project; a failure costs only speed."""
    import dbt.adapters.postgres  # noqa: F401, PLC0415
    from dbt.cli.main import dbtRunner  # noqa: PLC0415

    project = Path(__file__).parents[2] / "dbt"
    with TemporaryDirectory() as folder:
        places = {"project-dir": project, "profiles-dir": project, "target-path": folder}
        options = [text for name, place in places.items() for text in (f"--{name}", str(place))]
        # As Cosmos runs it: the static parser has hung in processes that inherited it.
        flags = ["--quiet", "--log-level-file", "none", "--no-partial-parse", "--no-static-parser"]
        dbtRunner().invoke(["parse", *options, *flags])


if sys.argv[1:2] == ["scheduler"] or sys.argv[1:3] == ["celery", "worker"]:
    _warm_up_dbt()
