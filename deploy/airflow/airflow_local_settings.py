"""Airflow's local settings hook. Invariant: only processes that fork tasks pay for the imports.

Importing dbt and parsing the project for the first time take longer than a small build. The
libraries that our DAGs and tasks import add half a second to each. LocalExecutor forks its tasks
from the scheduler, and a Celery worker forks them from itself, so every task inherits their work.
Put this file's folder on PYTHONPATH. docs/adr/0004-dbt-preload.md has the measurements.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

_LIBRARIES = (  # none of our modules: every task imports those again
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.common.messaging.triggers.msg_queue",
    "airflow.providers.standard.decorators.python",
    "boto3.s3.inject",
    "cosmos.airflow.task_group",
    "cosmos.operators.local",
    "cosmos.profiles",
    "openlineage.common.provider.dbt.local",  # Cosmos imports it after each dbt command
    "psycopg",
    "pydantic_settings",
    "typer",
)


# dbt would add the settings of the nearest .env, such as that of another deployment.
os.environ["PYTHON_DOTENV_DISABLED"] = "1"


def _import_libraries() -> None:
    for name in _LIBRARIES:
        import_module(name)


def _warm_up_dbt() -> None:
    """Import what a dbt task imports, and parse the project. A failure only costs speed."""
    import_module("dbt.adapters.postgres")
    import_module("dbt.task.build")
    import_module("dbt_common.clients.agate_helper")
    from dbt.cli.main import dbtRunner

    project = Path(__file__).parents[2] / "dbt"
    with TemporaryDirectory() as folder:
        places = {"project-dir": project, "profiles-dir": project, "target-path": folder}
        options = [text for name, place in places.items() for text in (f"--{name}", str(place))]
        # As Cosmos runs it. The static parser has hung in processes that inherited it.
        flags = ["--quiet", "--log-level-file", "none", "--no-partial-parse", "--no-static-parser"]
        dbtRunner().invoke(["parse", *options, *flags])


if sys.argv[1:2] == ["scheduler"] or sys.argv[1:3] == ["celery", "worker"]:
    _import_libraries()
    _warm_up_dbt()
