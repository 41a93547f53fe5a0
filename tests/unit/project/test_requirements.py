"""What a program imports is in the requirements with which it is installed."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest

from tests.documents import ROOT

pytestmark = pytest.mark.unit

_PIPELINE = ("callbacks", "dags", "scripts", "sources")
_OURS = {*_PIPELINE, "local", "health_page"}
_ONLY_TYPES = ("mypy_boto3_s3",)  # imported while types are checked


def _imported(folder: str) -> Iterator[tuple[str, str]]:
    """Yield each module that a folder imports from elsewhere, and where."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                if name.startswith(_ONLY_TYPES):
                    continue
                if name.partition(".")[0] not in _OURS | sys.stdlib_module_names:
                    yield name, str(file.relative_to(ROOT))


def _locked(lock: Path) -> set[str]:
    text = lock.read_text()
    return set(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("lock", "folders"),
    [
        ("local.txt", (*_PIPELINE, "local", "deploy/airflow/health_page")),
        ("runtime.txt", (*_PIPELINE, "deploy/airflow")),
    ],
)
def test_every_import_is_installed(lock: str, folders: tuple[str, ...]) -> None:
    locked, distributions = _locked(ROOT / "requirements" / lock), packages_distributions()
    missing = [
        f"{where}: {name}"
        for folder in folders
        for name, where in _imported(folder)
        if not locked & {_normal(one) for one in distributions.get(name.partition(".")[0], [])}
    ]
    assert missing == []


def test_the_parser_that_dbt_requires_is_neither_locked_nor_installed() -> None:
    parser = "dbt-core-experimental-parser"
    locks = [*(ROOT / "requirements").rglob("*.txt"), *(ROOT / "benchmarks/peers").glob("*.txt")]
    assert [lock for lock in locks if parser in _locked(lock)] == []
    with pytest.raises(PackageNotFoundError):
        version(parser)
    required = {one.partition("<")[0] for one in requires("dbt-core") or []}
    assert parser in required, "dbt-core does not require it any more: delete it from excluded.in"


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
