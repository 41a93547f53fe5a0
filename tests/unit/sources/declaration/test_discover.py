"""A file that cannot be used names itself and takes only its own sources away."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sources import PROBLEMS, SOURCES
from sources.declaration.discover import Declarations, discover

pytestmark = pytest.mark.unit

_GOOD = """
import msgspec
from sources.declaration import Api, Source, header_link

class Record(msgspec.Struct):
    id: int

API = Api(name="{api}", paginator=header_link())
SOURCES = (
    Source(api=API, name="{name}", path="/list", contract=Record),
)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    found = tmp_path / "declared_here"
    found.mkdir()
    (found / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield found
    for name in [name for name in sys.modules if name.startswith("declared_here")]:
        del sys.modules[name]


def declared(folder: Path, **files: str) -> Declarations:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return discover(folder.name, folder)


def good(api: str, name: str) -> str:
    return _GOOD.format(api=api, name=name)


def test_every_file_that_works_is_found(folder: Path) -> None:
    found = declared(folder, b=good("b", "orders"), a=good("a", "events"), _c="not Python")
    assert list(found.sources) == ["events", "orders"]
    assert found.problems == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (good("x", "Orders"), "bad.py:10: name: expected [a-z][a-z0-9_]{0,48}, got 'Orders'"),
        ("SOURCES = (", "bad.py:1: SyntaxError"),
        ("import no_such_module", "bad.py:1: ModuleNotFoundError"),
        ("1 / 0", "bad.py:1: ZeroDivisionError"),
        ("X = 1", "bad.py: SOURCES: expected a tuple"),
        ("SOURCES = [1]", "bad.py: SOURCES: expected a tuple"),
        (good("x", "orders"), "bad.py: name: two sources are called 'orders'"),
        (good("a", "others"), "bad.py: api: two files declare the API 'a'"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    folder: Path, text: str, says: str
) -> None:
    found = declared(folder, a=good("a", "orders"), bad=text, z=good("z", "events"))
    assert list(found.sources) == ["orders", "events"]
    [(file, problem)] = found.problems.items()
    assert file == "declared_here/bad.py"
    assert problem.startswith(f"declared_here/{says}"), problem
    assert "\n" not in problem


def test_the_files_of_this_project_can_all_be_used() -> None:
    assert PROBLEMS == {}
    assert SOURCES


def test_a_child_needs_its_parent_in_the_same_file(folder: Path) -> None:
    child = (
        'CHILD = Source(api=API, name="child", path="/{parent.id}", contract=Record,'
        ' parent=Parent(SOURCES[0], {"id": "id"}))\n'
    )
    text = good("x", "orders").replace("header_link\n", "Parent, header_link\n", 1) + child
    assert list(declared(folder, a=f"{text}SOURCES = (CHILD, *SOURCES)").sources) == [
        "child",
        "orders",
    ]
    del sys.modules[f"{folder.name}.a"]
    found = declared(folder, a=f"{text}SOURCES = (CHILD,)")
    assert "SOURCES: child's parent is missing in it" in found.problems[f"{folder.name}/a.py"]
