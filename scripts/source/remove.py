"""Remove sources, or APIs with all their sources, and every model that reads them.

Invariant: nothing is removed unless everything can be, and data is never removed.
"""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.errors import InvalidInputError
from sources import SOURCES

_MANIFEST = "dbt/target/manifest.json"


@dataclass(frozen=True)
class Removal:
    """What has to change: files to delete, files with a new text, and tables that stay behind."""

    sources: tuple[str, ...]
    deleted: tuple[Path, ...]
    edited: Mapping[Path, str]
    tables: tuple[str, ...]

    def apply(self) -> None:
        """Delete and rewrite the files."""
        for path, text in self.edited.items():
            path.write_text(text)
        for path in self.deleted:
            path.unlink()


def planned_removal(names: Sequence[str], root: Path) -> Removal:
    """Find everything that exists only for these APIs or sources.

    Reads dbt's manifest, which must be that of the project as it is.

    Raises:
        InvalidInputError: nothing has one of the names, a file also describes what stays, or a
            source that stays has a parent that does not.
    """
    removed = dict.fromkeys(source for name in names for source in _called(name))
    for source in SOURCES.values():
        if source.parent and source.parent.source.name in removed and source.name not in removed:
            parent = source.parent.source.name
            raise InvalidInputError(f"{source.name} has the parent {parent}: name it, too")
    files, edited = [], {}
    for api in dict.fromkeys(SOURCES[source].api.name for source in removed):
        declaration = _file_of(api, root)
        own = [source.name for source in SOURCES.values() if source.api.name == api]
        if set(own) <= removed.keys():
            files.append(declaration)
            continue
        edited[declaration] = declaration.read_text()
        for name in removed.keys() & own:
            edited[declaration] = without_source(edited[declaration], name)
    built, tables = _built_on(removed, root)
    return Removal(tuple(removed), (*files, *built), edited, tables)


def _called(name: str) -> list[str]:
    """Return the sources of an API of this name, or else the source of this name."""
    of_api = [source.name for source in SOURCES.values() if source.api.name == name]
    if not (of_api or name in SOURCES):
        names = sorted({*SOURCES, *(source.api.name for source in SOURCES.values())})
        raise InvalidInputError(
            f"no source or API is called {name!r}; declared: {', '.join(names)}"
        )
    return of_api or [name]


def without_source(text: str, name: str) -> str:
    """Return a declaration file without one source, and without classes that only it used.

    Raises:
        InvalidInputError: the file is not written as ``NAME = Source(...)``, ``SOURCES = (...)``.
    """
    tree = ast.parse(text)
    assigned = _assignments(tree)
    found = [v for v, s in assigned.items() if _is_called(s.value, "Source", name)]
    listed = assigned.get("SOURCES")
    if not found or listed is None or not isinstance(listed.value, ast.Tuple):
        raise InvalidInputError(
            f"remove the declaration of {name} by hand: it is not {name.upper()} = Source(...) in a"
            " file that ends with SOURCES = (...)"
        )
    [variable] = found
    gone: list[ast.stmt] = [assigned[variable]]
    before = _used([s for s in tree.body if s is not listed])
    after = _used([s for s in tree.body if s not in (listed, *gone)])
    gone += [s for s in tree.body if isinstance(s, ast.ClassDef) and s.name in before - after]
    listed.value.elts = [item for item in listed.value.elts if ast.unparse(item) != variable]
    lines = text.splitlines(keepends=True)
    for statement in sorted([*gone, listed], key=lambda s: s.lineno, reverse=True):
        new = [f"{ast.unparse(listed)}\n"] if statement is listed else []
        lines[statement.lineno - 1 : statement.end_lineno] = new
    return "".join(lines)


def _assignments(tree: ast.Module) -> dict[str, ast.Assign]:
    found = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = statement
    return found


def _is_called(node: ast.AST, kind: str, name: str) -> bool:
    """Return whether a node is ``kind(name="name", ...)``."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == kind
        and any(
            word.arg == "name" and isinstance(word.value, ast.Constant) and word.value.value == name
            for word in node.keywords
        )
    )


def _used(statements: Iterable[ast.stmt]) -> set[str]:
    """Return every name that these statements use, also through classes that they use."""
    classes = {s.name: s for s in statements if isinstance(s, ast.ClassDef)}
    queue: list[ast.AST] = [s for s in statements if not isinstance(s, ast.ClassDef)]
    found: set[str] = set()
    while queue:
        names = {n.id for n in ast.walk(queue.pop()) if isinstance(n, ast.Name)} - found
        found |= names
        queue += [classes[name] for name in names & classes.keys()]
    return found


def _file_of(api: str, root: Path) -> Path:
    """Return the file that declares an API."""
    for path in sorted((root / "sources").glob("[!_]*.py")):
        if any(_is_called(node, "Api", api) for node in ast.walk(ast.parse(path.read_text()))):
            return path
    raise InvalidInputError(f'no file in sources/ has Api(name="{api}"): remove it by hand')


def _built_on(sources: Iterable[str], root: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the files of every model and test that reads these sources, and their tables."""
    try:
        manifest = json.loads((root / _MANIFEST).read_text())
    except FileNotFoundError:
        raise InvalidInputError(f"{_MANIFEST} is missing: run `make manifest` first") from None
    entries = {**manifest["nodes"], **manifest["unit_tests"], **manifest["exposures"]}
    reached = _descendants([f"source.elt.raw.{name}" for name in sources], manifest["child_map"])
    places = {entry: _files(entries[entry]) for entry in entries}
    found = {path for entry in reached & entries.keys() for path in places[entry]}
    found |= {
        _files(manifest["sources"][f"source.elt.raw.{name}"])[0]
        for name in sources
        if f"source.elt.raw.{name}" in manifest["sources"]
    }
    for entry in entries.keys() - reached:
        if shared := found & set(places[entry]):
            raise InvalidInputError(
                f"dbt/{min(shared)} also describes {entries[entry]['name']}: move that into a file"
                " of its own first"
            )
    models = [entries[name]["fqn"] for name in reached if name.startswith("model.")]
    tables = sorted(f"{fqn[1].replace('intermediate', 'build')}.{fqn[-1]}" for fqn in models)
    return tuple(root / "dbt" / path for path in sorted(found)), tuple(tables)


def _files(entry: Mapping[str, Any]) -> list[str]:
    """Return the file of an entry of the manifest, and the file that describes it."""
    patch = (entry.get("patch_path") or "").partition("://")[2]
    return [path for path in (entry["original_file_path"], patch) if path]


def _descendants(names: Iterable[str], children: Mapping[str, list[str]]) -> set[str]:
    found: set[str] = set()
    queue = list(names)
    while queue:
        new = set(children.get(queue.pop(), [])) - found
        found |= new
        queue += new
    return found
