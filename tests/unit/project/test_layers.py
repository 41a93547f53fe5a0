"""Which module may import which. docs/architecture.md shows the floors.

dags → callbacks, scripts, sources; callbacks → scripts; scripts → sources, never airflow. Inside
scripts each package imports only from the floors below its own.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_FORBIDDEN = {
    "sources": {"airflow", "cosmos", "dags", "callbacks", "scripts", "local"},
    "scripts": {"airflow", "cosmos", "dags", "callbacks", "local"},
    "callbacks": {"dags", "cosmos", "local"},
    "dags": {"local"},
    "local": {"dags", "callbacks"},
    "benchmarks": {"dags"},
}
# From the bottom up. A package that stands beside another on a floor does not import it.
_FLOORS = (
    {"errors", "killpoints"},
    {"settings"},
    {"cli"},
    {"landing"},
    {"warehouse"},
    {"dbt", "extract", "reconcile"},
    {"load"},
    {"migrate", "rejects", "source", "withdraw"},
    {"rebuild", "alerts"},
    {"health", "erase"},
)
_FLOOR_OF = {name: floor for floor, names in enumerate(_FLOORS) for name in names}


def _imports(file: Path) -> Iterator[str]:
    """Yield the dotted names of the modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("layer", sorted(_FORBIDDEN))
def test_a_layer_imports_only_the_layers_below_it(layer: str) -> None:
    files = sorted((_ROOT / layer).rglob("*.py"))
    assert files, layer
    wrong = {
        str(file.relative_to(_ROOT)): found
        for file in files
        if (found := {name.split(".")[0] for name in _imports(file)} & _FORBIDDEN[layer])
    }
    assert wrong == {}


def test_every_module_of_scripts_has_a_floor() -> None:
    modules = {path.stem for path in (_ROOT / "scripts").iterdir() if not path.stem.startswith("_")}
    assert modules == _FLOOR_OF.keys()


def test_a_package_of_scripts_imports_only_from_the_floors_below_it() -> None:
    wrong = []
    for file in (_ROOT / "scripts").rglob("*.py"):
        own = file.relative_to(_ROOT / "scripts").parts[0].removesuffix(".py")
        for name in _imports(file):
            package, _, rest = name.partition(".")
            other = rest.split(".")[0]
            if package != "scripts" or other in {"", own} or other not in _FLOOR_OF:
                continue
            if own != "__init__" and _FLOOR_OF[other] >= _FLOOR_OF[own]:
                wrong.append(f"{file.relative_to(_ROOT)} imports {name}")
    assert wrong == []


def test_only_the_settings_read_the_environment() -> None:
    """The exceptions are kill points and the entry of the command lines."""
    allowed = {"settings.py", "killpoints.py", "cli.py"}
    readers = {
        str(file.relative_to(_ROOT))
        for layer in ("sources", "scripts", "callbacks", "dags")
        for file in (_ROOT / layer).rglob("*.py")
        if "os.environ" in file.read_text() or "os.getenv" in file.read_text()
        if file.name not in allowed
    }
    assert readers == set()
