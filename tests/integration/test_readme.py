"""No command of README.md is without a place that runs it, and its figures are measured ones.

The table is looked up, not executed: a row says which test, or which workflow of hosted CI, runs
the command or what stands for it. Only `make status`, `down`, `help` and `format` are run here.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS, README, ROOT, commands_of_readme, make

pytestmark = pytest.mark.integration

# Where each command of the README, or what stands for it, is run: a file, and words of it.
RUN_BY = {
    "make run": ("tests/e2e/conftest.py", 'started(settings, "run"'),
    "make test": (".ci/run", "make test PYTEST_ARGS"),
    "make run POSTS=137 SEED=7": ("tests/e2e/conftest.py", '"--posts", "137", "--seed", "7"'),
    "make run DAY=2026-01-31": ("tests/e2e/test_another_api.py", '"run", "--day"'),
    "make run API=https://jsonplaceholder.typicode.com": (
        "tests/e2e/test_another_api.py",
        '"--api", other.url',
    ),
    "make status": ("tests/integration/test_readme.py", '("status",'),
    "make down": ("tests/integration/test_readme.py", '("down",'),
    "make help": ("tests/integration/test_readme.py", '("help",'),
    "make format": ("tests/integration/test_readme.py", '("format",'),
    "make env": ("tests/integration/test_compose.py", "write_dotenv(profiles, folder)"),
    "make env PROFILES=local": (".github/workflows/nightly.yaml", "make env PROFILES=local"),
    "make lint": (".ci/run", "make lint"),
    "make docs": (".github/workflows/ci.yaml", "make docs"),
    "make pictures": (".github/workflows/nightly.yaml", "pictures"),
    "make dbt-duckdb": ("tests/integration/test_duck.py", "copy_landed("),
    "make test-celery": (".ci/run", "long test-celery"),
    "make test-cloud": (".ci/run", "long test-cloud"),
    "make test-fault": (".github/workflows/nightly.yaml", "test-fault"),
    "make soak": (".github/workflows/nightly.yaml", "soak"),
    "make bench": (".github/workflows/nightly.yaml", "bench,"),
    ".ci/run": (".github/workflows/ci.yaml", "bash .ci/run"),
    "python -m scripts.health": ("tests/integration/test_health.py", '"scripts.health"'),
    "python -m scripts.alerts check": ("tests/integration/incidents/test_cli.py", '_run("check")'),
    "python -m scripts.alerts list": ("tests/integration/incidents/test_cli.py", '_run("list")'),
    "python -m scripts.rejects list": ("tests/integration/test_rejects.py", '"rejects", "list"'),
    "python -m scripts.rejects replay posts --day 2026-01-31": (
        "tests/integration/test_rejects.py",
        '"rejects", "replay", "posts", "--day", "2026-01-31"',
    ),
    "python -m scripts.rebuild": ("tests/integration/test_rebuild.py", '"rebuild", **place'),
    """airflow dags trigger ingest_posts --conf '{"day": "2026-01-31"}'""": (
        "tests/e2e/test_reruns.py",
        '"dags", "trigger", "ingest_posts", "--conf", conf',
    ),
    """airflow dags trigger transform_posts --conf '{"days": ["2026-01-31"]}'""": (
        "tests/e2e/test_reruns.py",
        'trigger("transform_posts", {"days": [day]})',
    ),
    "airflow dags trigger transform_posts": ("tests/e2e/test_main_job.py", '"transform_posts"'),
    "airflow backfill create --dag-id ingest_posts --from-date 2026-01-01 --to-date 2026-01-30": (
        "tests/e2e/test_reruns.py",
        '"backfill", "create", "--dag-id", "ingest_posts"',
    ),
    "cp terraform/example.tfvars terraform/production.tfvars": (
        "tests/terraform.py",
        "shutil.copytree(_SOURCE",
    ),
    "terraform -chdir=terraform init": ("tests/terraform.py", '"init"'),
    "terraform -chdir=terraform apply -var-file=production.tfvars": (
        "tests/cloud/conftest.py",
        'run("apply"',
    ),
    "terraform -chdir=terraform output -raw env >> .env": ("tests/cloud/conftest.py", '"output"'),
    "docker compose up --build --detach --wait": (
        ".github/workflows/nightly.yaml",
        "docker compose up --build --wait",
    ),
}


@pytest.mark.parametrize("line", RUN_BY)
def test_the_place_that_the_table_names_still_holds_the_words(line: str) -> None:
    file, words = RUN_BY[line]
    assert words in (ROOT / file).read_text()


def test_the_table_holds_every_command_of_the_readme_and_no_other() -> None:
    assert {tuple(shlex.split(line)) for line in RUN_BY} == set(commands_of_readme())


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("status", "airflow_url"),
        ("down", "the stack is down"),
        ("help", "make pictures"),
        ("format", "1 file reformatted"),
    ],
)
def test_what_changes_nothing_is_run_here(tmp_path: Path, target: str, says: str) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "dbt").mkdir()
    ugly = tmp_path / "ugly" / "__init__.py"
    ugly.parent.mkdir()
    ugly.write_text('"""Ugly."""\n\na  =  1\n')
    done = make(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert ("a = 1" in ugly.read_text()) == (target == "format")


def test_the_figures_are_those_of_the_benchmark() -> None:
    rows = re.findall(
        r"^\| (.+?) \| ([\d.]+ \S+) \| (. [\d.]+ \S+) \|$", README.read_text(), re.MULTILINE
    )
    assert len(rows) == 3
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    for row in rows:
        assert re.search(" +".join(map(re.escape, f"| {' | '.join(row)} |".split())), measured), row


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    assert len(README.read_text().splitlines()) < 250
    pictures = [*(ROOT / "docs" / "pictures").iterdir()]
    assert pictures
    assert max(picture.stat().st_size for picture in pictures) <= 200_000
    shown = "".join(document.read_text() for document in DOCUMENTS)
    assert [picture.name for picture in pictures if f"pictures/{picture.name})" not in shown] == []
