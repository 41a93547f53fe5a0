"""The tree: every module has a name of its own, and its tests stand at the mirrored path.

``scripts/load/contract.py`` is tested by ``tests/unit/load/test_contract.py`` or by
``tests/integration/load/test_contract.py``, or below ``tests/lakehouse``. A test of one aspect
adds it to the name: ``test_contract_memory.py``. The same holds for dags/, callbacks/, local/,
sources/ and deploy/airflow/ (as ``tests/unit/deploy/...``).
"""

from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_ROOMS = ("sources", "scripts", "dags", "callbacks", "local", "deploy/airflow")
_KINDS = ("unit", "integration", "lakehouse")
# Rooms that hold no module of ours, or whose tests look at more than one module.
_OTHER_TESTS = {"benchmarks", "dbt", "deployment", "docs", "project"}
# Declarations are data: `python -m scripts.source check` compares one with its API.
_DECLARATIONS = Path("sources")
# Modules without a test at the mirrored path, and why.
_EXEMPT = {
    "scripts/warehouse/migrations/env.py": "Alembic's entry point, which every migration test runs",
}


def _modules() -> list[Path]:
    found = (path for room in _ROOMS for path in sorted((_ROOT / room).rglob("*.py")))
    relative = (path.relative_to(_ROOT) for path in found)
    return [path for path in relative if path.stem != "__init__" and "versions" not in path.parts]


def _mirrored(module: Path) -> tuple[Path, str]:
    """Return the folder below tests/unit, and the name without ``test_``, of a module's tests."""
    folder = Path(*(part for part in module.parent.parts if part not in {"scripts", "airflow"}))
    return folder, module.stem.strip("_")


def _tests() -> dict[Path, set[str]]:
    """Return the names of the test modules by folder, without ``test_``."""
    found = defaultdict(set)
    for kind in _KINDS:
        for path in (_ROOT / "tests" / kind).rglob("test_*.py"):
            folder = path.relative_to(_ROOT / "tests" / kind).parent
            found[folder].add(path.stem.removeprefix("test_"))
    return found


def _is_test_of(test: str, name: str) -> bool:
    return test == name or test.startswith(f"{name}_")


def test_no_two_modules_share_a_name() -> None:
    places = defaultdict(list)
    for module in _modules():
        places[module.stem].append(str(module))
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert shared.keys() <= {"__main__"}, shared


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    tests = _tests()
    missing = []
    for module in _modules():
        folder, name = _mirrored(module)
        is_declaration = module.parent == _DECLARATIONS
        if not (is_declaration or any(_is_test_of(test, name) for test in tests[folder])):
            missing.append(str(module))
    assert sorted(set(missing) - _EXEMPT.keys()) == []
    assert sorted(_EXEMPT.keys() - set(missing)) == [], "no longer exempt"


def test_every_test_mirrors_a_module() -> None:
    names = defaultdict(list)
    for module in _modules():
        folder, name = _mirrored(module)
        names[folder].append(name)
    stray = [
        f"{folder}/test_{test}.py"
        for folder, tests in _tests().items()
        if folder.parts[:1] not in {(room,) for room in _OTHER_TESTS}
        for test in tests
        if not any(_is_test_of(test, name) for name in names[folder])
    ]
    assert sorted(stray) == []


def test_scripts_stays_small() -> None:
    entries = [path for path in (_ROOT / "scripts").iterdir() if path.name != "__pycache__"]
    assert len([path for path in entries if path.is_file()]) <= 10
    assert len([path for path in entries if path.is_dir()]) <= 9
