"""Find the declarations. Invariant: a file that cannot be used affects only its own sources."""

import importlib
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from sources.declaration.declaration_error import DeclarationError
from sources.declaration.source import Source


class Declarations(NamedTuple):
    """The sources by name, and one line per file that cannot be used, by file."""

    sources: Mapping[str, Source]
    problems: Mapping[str, str]


def discover(package: str, folder: Path) -> Declarations:
    """Import each file of a package, by name. Each one declares a tuple ``SOURCES`` of one API."""
    sources: dict[str, Source] = {}
    problems: dict[str, str] = {}
    for path in sorted(folder.glob("[!_]*.py")):
        file = f"{folder.name}/{path.name}"
        try:
            sources.update(_declared(importlib.import_module(f"{package}.{path.stem}"), sources))
        except Exception as error:  # noqa: BLE001 - a file of a user can raise anything
            problems[file] = _problem(file, path, error)
    return Declarations(sources, problems)


def _declared(module: ModuleType, others: Mapping[str, Source]) -> dict[str, Source]:
    found = getattr(module, "SOURCES", None)
    if not isinstance(found, tuple) or not all(isinstance(item, Source) for item in found):
        raise DeclarationError("SOURCES", "expected a tuple of every Source of this file")
    apis = {source.api.name for source in others.values()}
    own: dict[str, Source] = {}
    for source in found:
        if source.name in others or source.name in own:
            raise DeclarationError("name", f"two sources are called {source.name!r}")
        if source.api.name in apis:
            raise DeclarationError("api", f"two files declare the API {source.api.name!r}")
        own[source.name] = source
    for source in found:
        if source.parent and source.parent.source not in found:
            raise DeclarationError("SOURCES", f"{source.name}'s parent is missing in it")
    return own


def _problem(file: str, path: Path, error: Exception) -> str:
    """Return one line with the place in the file, and what is wrong there."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    where = f"{file}:{lines[-1]}" if lines else file
    what = "" if isinstance(error, DeclarationError) else f"{type(error).__name__}: "
    return " ".join(f"{where}: {what}{error}".split())
