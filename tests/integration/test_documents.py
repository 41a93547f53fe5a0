"""README.md and docs/ tell the truth: commands, links and figures in them are held to the code."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.documents import (
    DOCUMENTS,
    README,
    ROOT,
    Command,
    anchors,
    commands,
    commands_within_text,
    links,
)

pytestmark = pytest.mark.integration

_SET_UP = (
    ".venv/.installed",
    "dbt/target/manifest.json",
    ".tools/checkov/.installed",
    ".tools/cloud/.installed",
)
# Who runs each command of the README for real: a file, and words of it that do so.
RUN_BY = {
    "make run": ("tests/e2e/conftest.py", 'started(settings, "run"'),
    "make test": (".ci/run", "make test PYTEST_ARGS"),
    "make run POSTS=137 SEED=7": ("tests/e2e/conftest.py", '"--posts", "137", "--seed", "7"'),
    "make run DAY=2026-01-31": ("tests/e2e/test_another_api.py", '"run", "--day"'),
    "make run API=https://jsonplaceholder.typicode.com": (
        "tests/e2e/test_another_api.py",
        '"--api", other.url',
    ),
    "make status": ("tests/integration/test_documents.py", '("status",'),
    "make down": ("tests/integration/test_documents.py", '("down",'),
    "make help": ("tests/integration/test_documents.py", '("help",'),
    "make format": ("tests/integration/test_documents.py", '("format",'),
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


def _readme() -> list[Command]:
    return commands(README) + commands_within_text(README)


@pytest.mark.parametrize("line", RUN_BY)
def test_a_command_of_the_readme_is_run_where_the_table_says(line: str) -> None:
    file, words = RUN_BY[line]
    assert words in (ROOT / file).read_text()


def test_the_table_holds_every_command_of_the_readme_and_no_other() -> None:
    assert {tuple(shlex.split(line)) for line in RUN_BY} == {*_readme()}


@pytest.mark.parametrize(
    "command",
    dict.fromkeys([*_readme(), *(each for document in DOCUMENTS for each in commands(document))]),
    ids=" ".join,
)
def test_a_command_is_one_that_its_program_takes(command: Command) -> None:
    program, *arguments = command
    _CHECKS[Path(program).name](arguments)


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
    done = _make(tmp_path, target)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert ("a = 1" in ugly.read_text()) == (target == "format")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    lost = []
    for link in links(document):
        file, _, anchor = link.partition("#")
        if re.match(r"https?://", link):
            continue
        target = (document.parent / file).resolve() if file else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    named = re.findall(
        r"`((?:dags|callbacks|scripts|dbt|deploy|terraform|benchmarks|tests|docs|requirements)/"
        r"[\w./-]+)`",
        document.read_text(),
    )
    made = ("dbt/target/", "dbt/models/staging/stg_todos.")  # by dbt, and by who follows the guide
    assert [
        name for name in named if not (ROOT / name).exists() and not name.startswith(made)
    ] == []


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


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as if everything were set up, and not within another make."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    place = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIPELINE_LOCAL_DIR": str(folder / "state"),
    }
    return subprocess.run(
        ["make", *(f"--assume-old={name}" for name in _SET_UP), *arguments],
        cwd=folder,
        env=outside | place,
        capture_output=True,
        text=True,
        check=False,
    )


def _check_make(arguments: list[str]) -> None:
    """The target exists, and its recipe's own commands are taken too."""
    done = _make(ROOT, "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.replace("\\\n", " ").splitlines():
        if line.startswith("python -m ") and not line.startswith("python -m pytest"):
            _check_python(shlex.split(line)[1:])


def _check_python(arguments: list[str]) -> None:
    """The module's own parser takes the arguments; nothing is run."""
    _, name, *rest = arguments
    spec = importlib.util.find_spec(name)
    assert spec, name
    module = importlib.import_module(
        f"{name}.__main__" if spec.submodule_search_locations else name
    )
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command()(module.main)
    _parse(typer.main.get_command(app), name, rest)


def _parse(command: Any, name: str, arguments: list[str]) -> None:
    context = command.make_context(name, list(arguments))
    if not hasattr(command, "resolve_command"):
        if name == "airflow":
            _check_airflow(arguments)
        return
    below, chosen, rest = command.resolve_command(context, list(arguments))
    _parse(chosen, below, rest)


def _check_airflow(arguments: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(arguments)


def _check_curl(arguments: list[str]) -> None:
    """The body is one that Airflow's own model takes."""
    from airflow.api_fastapi.core_api.datamodels.backfills import BackfillPostBody
    from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody

    url = next(word for word in arguments if word.startswith("$AIRFLOW/"))
    model: Any = BackfillPostBody if url.endswith("/backfills") else TriggerDAGRunPostBody
    model.model_validate(json.loads(arguments[arguments.index("-d") + 1]))


def _check_compose(arguments: list[str]) -> None:
    _, verb, *options = arguments
    program = Path(sys.executable).with_name("docker-compose")
    told = subprocess.run([program, verb, "--help"], capture_output=True, text=True, check=True)
    for option in options:
        if option.startswith("-"):
            assert re.search(rf"{option.split('=')[0]}\b", told.stdout), option


def _check_terraform(arguments: list[str]) -> None:
    """The folder and what is asked of it exist; that it is valid is test_terraform's to say."""
    folder = ROOT / arguments[0].removeprefix("-chdir=")
    assert [*folder.glob("*.tf")]
    assert arguments[1] in {"init", "apply", "output"}
    if arguments[1] == "output":
        name = arguments[3]
        assert f'output "{name}"' in (folder / "outputs.tf").read_text()


def _check_copy(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).is_file()


def _check_own(arguments: list[str]) -> None:
    assert not arguments
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "make": _check_make,
    "python": _check_python,
    "airflow": _check_airflow,
    "curl": _check_curl,
    "docker": _check_compose,
    "terraform": _check_terraform,
    "cp": _check_copy,
    "run": _check_own,
}
