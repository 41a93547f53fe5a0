"""The DAGs that the end-to-end tests copy into a DAG folder import only what exists."""

import ast
import importlib
from pathlib import Path
from typing import TypeGuard

import pytest

pytestmark = pytest.mark.unit

_E2E = Path(__file__).parents[2] / "e2e"
_OURS = ("callbacks", "dags", "scripts", "sources")


@pytest.mark.parametrize("text", sorted(_E2E.rglob("*.py.txt")), ids=lambda path: path.name)
def test_its_imports_exist(text: Path) -> None:
    imports = [node for node in ast.walk(ast.parse(text.read_text())) if _is_of_ours(node)]
    assert imports, "no import of this project was found"
    for node in imports:
        module = importlib.import_module(node.module or "")
        for name in node.names:
            assert hasattr(module, name.name), f"{node.module}.{name.name}"


def _is_of_ours(node: ast.AST) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _OURS
