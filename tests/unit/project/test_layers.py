"""Allowed imports. DESIGN: dags → callbacks, scripts. callbacks → scripts. Nothing → dags."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_FORBIDDEN = {
    "scripts": {"airflow", "cosmos", "dags", "callbacks"},
    "callbacks": {"dags", "cosmos"},
    "benchmarks": {"dags"},
}


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", sorted(_FORBIDDEN))
def test_a_layer_imports_only_what_lies_below_it(layer: str) -> None:
    files = sorted((_ROOT / layer).rglob("*.py"))
    assert files, layer
    wrong = {str(f.relative_to(_ROOT)): _imported(f) & _FORBIDDEN[layer] for f in files}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_only_the_settings_read_the_environment() -> None:
    """The exceptions are kill points, the entry point of the commands, and the local stack."""
    allowed = {"settings.py", "killpoints.py", "cli.py"}
    readers = {
        str(file.relative_to(_ROOT))
        for layer in ("scripts", "callbacks", "dags")
        for file in (_ROOT / layer).rglob("*.py")
        if "os.environ" in file.read_text() or "os.getenv" in file.read_text()
        if file.name not in allowed and "local" not in file.parts
    }
    assert readers == set()
