"""README.md and docs/: every command is valid, every link resolves, every file exists."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.documents import (
    DOCUMENTS,
    ROOT,
    Command,
    anchors,
    commands,
    commands_of_readme,
    links,
    make,
)

pytestmark = pytest.mark.integration

# The changelog also has old names, and the tutorial has those of a source that it adds.
_CURRENT = [path for path in DOCUMENTS if path.name not in {"CHANGELOG.md", "your-own-source.md"}]


@pytest.mark.parametrize(
    "command",
    dict.fromkeys(
        [*commands_of_readme(), *(each for document in DOCUMENTS for each in commands(document))]
    ),
    ids=" ".join,
)
def test_a_command_is_one_that_its_program_takes(command: Command) -> None:
    program, *arguments = command
    _CHECKS[Path(program).name](arguments)


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


@cache
def _names() -> set[str]:
    """Return every word of the code and every module's name."""
    folders = ("benchmarks", "callbacks", "dags", "dbt/m*", "deploy", "local", "scripts", "sources")
    patterns = [*(f"{folder}/**/*.*" for folder in folders), "terraform/**/*.tf", "tests/**/*.py"]
    patterns.append("tests/mutants/*.patch")
    files = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    words = {path.stem for path in files}
    for path in [*files, *ROOT.glob("*.yaml"), ROOT / "pyproject.toml"]:
        if path.suffix in {".py", ".sql", ".yml", ".yaml", ".tf", ".toml"}:
            words |= set(re.findall(r"\w+", path.read_text()))
    return words


@pytest.mark.parametrize("document", _CURRENT, ids=lambda document: document.name)
def test_every_name_of_the_code_exists(document: Path) -> None:
    """A name with an underscore in backticks, such as a function or a column of the ledger."""
    named = re.findall(r"`(?:\w+\.)*(_?[a-z]\w*_\w*)(?:\.py)?`", document.read_text())
    assert sorted(set(named) - _names()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    named = re.findall(
        r"`((?:dags|callbacks|scripts|dbt|deploy|terraform|benchmarks|tests|docs|requirements)/"
        r"[\w./-]+)`",
        document.read_text(),
    )
    made = ("dbt/target/", "dbt/models/staging/stg_todos.", "tests/sample")  # by commands, users
    assert [
        name for name in named if not (ROOT / name).exists() and not name.startswith(made)
    ] == []


def _check_make(arguments: list[str]) -> None:
    """Check that the target exists and that the commands of its recipe are valid."""
    done = make(ROOT, "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            command = shlex.split(part)
            if command[:3] == ["python", "-m", "tests.tree"] and command[3] != "keep":
                command[2:] = command[3:]  # it runs this module
            if command[:2] == ["python", "-m"] and command[2] not in ("pytest", "tests.tree"):
                _check_python(command[1:])


def _check_python(arguments: list[str]) -> None:
    """Check the arguments with the module's own parser, without running the command."""
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
    """Check that Airflow's own model accepts the body."""
    from airflow.api_fastapi.core_api.datamodels.backfills import BackfillPostBody
    from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody

    url = next(word for word in arguments if word.startswith("$AIRFLOW/"))
    model: Any = BackfillPostBody if url.endswith("/backfills") else TriggerDAGRunPostBody
    model.model_validate(json.loads(arguments[arguments.index("-d") + 1]))


def _check_compose(arguments: list[str]) -> None:
    _, verb, *options = arguments
    program = Path(sys.executable).with_name("docker-compose")
    shown = subprocess.run([program, verb, "--help"], capture_output=True, text=True, check=True)
    for option in options:
        if option.startswith("-"):
            assert re.search(rf"{option.split('=')[0]}\b", shown.stdout), option


def _check_terraform(arguments: list[str]) -> None:
    """Check that the folder and the output exist. test_terraform validates the configuration."""
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
