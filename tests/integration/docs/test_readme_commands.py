"""A test or a step of hosted CI executes each command of README.md.

A test executes it with `run_readme`, in the suite that runs the required services. `ELSEWHERE`
lists the commands that no test can execute, with their step and the reason.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.documents import ROOT, Command, commands_of_readme, words

pytestmark = pytest.mark.integration

_NIGHTLY = ".github/workflows/nightly.yaml"


class Elsewhere(NamedTuple):
    """A CI file that has exactly this command as a step, and why no test executes it."""

    file: str
    why: str


_SUITE = "is itself a suite that takes minutes"
ELSEWHERE = {
    "make test": Elsewhere(_NIGHTLY, "runs this very test"),
    ".ci/run": Elsewhere(".github/workflows/ci.yaml", "runs this very test"),
    "make lint": Elsewhere(".ci/run", "checks the whole tree, so one run is enough"),
    "make test-e2e": Elsewhere(_NIGHTLY, _SUITE),
    "make test-alerts": Elsewhere(_NIGHTLY, _SUITE),
    "make test-fault": Elsewhere(_NIGHTLY, _SUITE),
    "make soak": Elsewhere(_NIGHTLY, _SUITE),
    "make test-celery": Elsewhere(_NIGHTLY, _SUITE),
    "make test-cloud": Elsewhere(_NIGHTLY, _SUITE),
    "make bench": Elsewhere(_NIGHTLY, "measures on an otherwise idle machine"),
    "make pictures": Elsewhere(_NIGHTLY, "builds a month of history on a separate stack"),
    "make test-compose": Elsewhere(_NIGHTLY, _SUITE),
}


def _executed() -> Iterator[tuple[Command, str]]:
    """Yield each command that a test passes to `run_readme`, with the file of the test."""
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and _name(call.func) == "run_readme":
                for argument in call.args[:1]:
                    if isinstance(argument, ast.Constant):
                        yield words(str(argument.value)), str(file.relative_to(ROOT))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _steps(file: str) -> set[Command]:
    """Return the commands that are separate steps of a workflow or of `.ci/run`."""
    text = (ROOT / file).read_text()
    if file.startswith(".github/"):
        jobs = yaml.safe_load(text)["jobs"].values()
        return {command for job in jobs for command in _of_job(job)}
    steps = re.findall(r"^make (?:-j2 )?(\S+)$", text, re.MULTILINE)
    return {("make", target) for target in steps}


def _of_job(job: dict[str, Any]) -> Iterator[Command]:
    """Yield the commands of a job's steps, once for each target of its matrix."""
    targets = job.get("strategy", {}).get("matrix", {}).get("target", [""])
    for step in job["steps"]:
        given = step.get("env", {}).get("TARGET") == "${{ matrix.target }}"
        for target in targets if given else [""]:
            for line in step.get("run", "").splitlines():
                yield words(line.replace('"$TARGET"', shlex.quote(target)))


def test_every_command_is_executed_by_a_test_or_by_the_step_that_is_named() -> None:
    by_test = {command for command, _ in _executed()}
    elsewhere = set(map(words, ELSEWHERE))
    assert by_test | elsewhere == set(commands_of_readme())
    assert by_test & elsewhere == set()


@pytest.mark.parametrize("line", ELSEWHERE)
def test_the_step_that_is_named_is_the_command(line: str) -> None:
    assert words(line) in _steps(ELSEWHERE[line].file)


def test_each_file_that_executes_one_belongs_to_a_suite_of_ci() -> None:
    """A make target passes the file's folder to pytest, and the nightly CI runs that target."""
    recipe = re.compile(r"^(test\S*):.*\n((?:\t.*\n)+)", re.MULTILINE)
    steps = _steps(_NIGHTLY)
    handed = {
        word
        for target, text in recipe.findall((ROOT / "Makefile").read_text())
        if ("make", target) in steps
        for word in text.split()
        if word.startswith("tests/")
    }
    folders = {str(Path(file).parent) for _, file in _executed()}
    assert {"tests/integration", "tests/e2e", "tests/cloud"} <= folders
    assert {folder for folder in folders if not any(map(folder.startswith, handed))} == {"tests"}
