"""Components that fork tasks import dbt before the fork. The others do not import it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.settings import dbt_environment

pytestmark = pytest.mark.unit

_SETTINGS = Path(__file__).parents[3] / "deploy" / "airflow" / "airflow_local_settings.py"


@pytest.mark.parametrize(
    ("command", "is_warm"),
    [
        ("scheduler", True),
        ("celery worker", True),
        ("dag-processor", False),
        ("celery flower", False),
    ],
)
def test_what_forks_tasks_is_warmed_up(command: str, is_warm: bool) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['airflow', *{command!r}.split()]\n"
        f"runpy.run_path({str(_SETTINGS)!r})\n"
        "print('dbt.adapters.postgres' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1:] == [str(is_warm)], done.stdout + done.stderr


@pytest.mark.parametrize("way", ["Airflow", "script", "by hand"])
def test_dbt_reads_no_env_file_of_the_folder(tmp_path: Path, way: str) -> None:
    (tmp_path / ".env").write_text("PIPELINE_LEAKED=yes\n")
    prepare = f"import runpy; runpy.run_path({str(_SETTINGS)!r})\n" if way == "Airflow" else ""
    env = dict(os.environ)
    del env["PYTHON_DOTENV_DISABLED"]
    if way == "script":
        env = dbt_environment("postgresql://transformer@localhost/warehouse", env)
    program = f"{prepare}import os, dbt.cli.main; print(os.environ.get('PIPELINE_LEAKED'))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["yes" if way == "by hand" else "None"]
