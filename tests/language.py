"""Count archaic phrases in the project's texts: Markdown, docstrings, alerts and dbt descriptions.

The phrases and the limit are in ``language.toml`` beside this file. Source: the style guide of the
project (docs/glossary.md lists the terms to use).
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import yaml

from scripts.alerts.catalog import CATALOG
from scripts.cli import run_cli

_ROOT = Path(__file__).parents[1]
_RULES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
_PHRASES = {re.compile(p, re.IGNORECASE): advice for p, advice in _RULES["phrases"].items()}
_CODE = re.compile(r"```.*?```|``[^`]*``|`[^`]*`|\]\([^)]*\)|<!--.*?-->", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]{2,}")


class Text(NamedTuple):
    """One text and its location."""

    place: str
    line: int
    text: str


def texts() -> Iterator[Text]:
    """Yield every text of the tracked files, without code spans and link targets."""
    listed = subprocess.run(["git", "ls-files"], cwd=_ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        file = _ROOT / name
        if not file.is_file():
            continue
        if file.suffix == ".md":
            yield Text(name, 1, _without_code(file.read_text()))
        elif file.suffix == ".py":
            yield from _docstrings(name, file.read_text())
        elif file.suffix == ".yml" and name.startswith("dbt/"):
            documents = yaml.safe_load(file.read_text())
            yield from (Text(name, 1, found) for found in _descriptions(documents))
    for kind, entry in CATALOG.items():
        yield Text(f"alert {kind}", 1, f"{entry.title}. {entry.impact} {entry.next}")


def _without_code(text: str) -> str:
    """Replace code with spaces, and keep the line numbers."""
    return _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)


def _docstrings(name: str, source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body
            if body and isinstance(body[0], ast.Expr) and ast.get_docstring(node) is not None:
                text = ast.get_docstring(node, clean=False) or ""
                yield Text(name, body[0].lineno, _without_code(text))


def _descriptions(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for item in document:
            yield from _descriptions(item)
    elif isinstance(document, dict):
        for key, value in document.items():
            if key == "description" and isinstance(value, str):
                yield value
            else:
                yield from _descriptions(value)


def findings(text: Text) -> Iterator[str]:
    """Yield a line for each phrase that the text should not contain."""
    for pattern, advice in _PHRASES.items():
        for found in pattern.finditer(text.text):
            line = text.line + text.text.count("\n", 0, found.start())
            around = text.text[max(found.start() - 30, 0) : found.end() + 20]
            yield f"{text.place}:{line}: '{' '.join(around.split())}' (write: {advice})"


def main(
    only: Annotated[str, typer.Argument(help="only texts whose path starts with this")] = "",
    *,
    show_all: Annotated[bool, typer.Option("--all", help="show every finding")] = False,
) -> None:
    """Count the phrases. If they exceed the limit, list them and exit 1."""
    chosen = [text for text in texts() if text.place.startswith(only)]
    words = sum(len(_WORD.findall(text.text)) for text in chosen)
    found = [line for text in chosen for line in findings(text)]
    rate = 1000 * len(found) / max(words, 1)
    is_above = rate > _RULES["most_per_thousand_words"]
    if is_above or show_all:
        typer.echo("\n".join(found))
    typer.echo(f"{len(found)} archaic phrases in {words} words: {rate:.2f} per thousand")
    if is_above:
        raise typer.Exit(1)


if __name__ == "__main__":
    run_cli(main)
