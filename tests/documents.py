"""The documents of this project: run their commands unchanged, and find their links."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_SET_UP = (
    ".venv/.installed",
    "dbt/target/manifest.json",
    ".tools/checkov/.installed",
    ".tools/cloud/.installed",
)
_FILES = ("Makefile", "pyproject.toml", ".env.example", ".gitignore")
_FOLDERS = ("requirements", "sources", "scripts", "local", "dbt", "docs", "terraform")
Command = tuple[str, ...]
_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:make|airflow|docker compose|terraform|python -m) [^`…]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def commands(document: Path) -> list[Command]:
    """Return every command of the shell blocks, split into words."""
    return list(dict.fromkeys(map(words, _blocks(document))))


def commands_of_readme() -> dict[Command, str]:
    """Return the README's commands unchanged, including inline code in its text."""
    inline = _INLINE.findall(_FENCED.sub("", README.read_text()))
    return {words(text): text for text in (*inline, *_blocks(README))}


def words(text: str) -> Command:
    """Return the words of a command as a shell splits it, without its comment."""
    return tuple(shlex.split(text, comments=True))


def run_readme(
    line: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    *,
    before: str = "",
    replaced: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the README in a shell. `env` overrides our environment.

    The command runs unchanged, except for the text that the README says to write `before` it and
    for the parts that the caller `replaced`.

    Raises:
        LookupError: the README does not contain the command, or a `replaced` part of it.
    """
    text = commands_of_readme().get(words(line))
    if text is None:
        raise LookupError(f"README.md has no command {line!r}")
    for old, new in (replaced or {}).items():
        if old not in text:
            raise LookupError(f"README.md has no {old!r} in {line!r}")
        text = text.replace(old, new)
    return subprocess.run(
        ["bash", "-c", before + text],
        cwd=cwd,
        env=outside(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def set_up_copy(folder: Path) -> Path:
    """Copy the tree, in the state after `make setup`, for commands that write into it."""
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "logs", "target", ".terraform*", "*.tfstate*")
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(ROOT / name, tree)
    link_set_up(tree)
    return tree


def link_set_up(tree: Path) -> None:
    """Bring a copied tree into the state after `make setup`, with our environment."""
    (tree / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (tree / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (tree / ".venv" / ".installed").touch()
    (tree / "dbt" / "target").mkdir()
    shutil.copy(ROOT / "dbt" / "target" / "manifest.json", tree / "dbt" / "target")


def links(document: Path) -> list[str]:
    """Return the target of every link and picture."""
    return list(dict.fromkeys(_LINK.findall(_FENCED.sub("", document.read_text()))))


def anchors(document: Path) -> set[str]:
    """Return the anchor of every heading, as GitHub generates it."""
    titles = re.findall(r"^#+ (.+)$", _FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as if the setup were complete, independent of an outer make."""
    return subprocess.run(
        ["make", *(f"--assume-old={name}" for name in _SET_UP), *arguments],
        cwd=folder,
        env=outside({}),
        capture_output=True,
        text=True,
        check=False,
    )


def outside(env: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with `env` over it, our Python first, and no variables of make."""
    kept = {n: value for n, value in {**os.environ, **env}.items() if not n.startswith("MAKE")}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}


def _blocks(document: Path) -> Iterator[str]:
    """Yield the text of each command of the shell blocks."""
    for block in _BLOCK.findall(document.read_text()):
        yield from _lines(block)


def _lines(block: str) -> Iterator[str]:
    """Yield the commands of a block. A quoted text may continue on the next line."""
    pending = ""
    for line in block.replace("\\\n", " ").splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            found = words(pending)
        except ValueError:  # no closing quote yet
            continue
        if found:
            yield pending.strip()
        pending = ""
    assert not pending, pending


def dotenv_settings(text: str) -> dict[str, str]:
    """Return the settings of an .env file as a shell reads them."""
    lines = [line for line in text.splitlines() if re.match(r"\w+=", line)]
    return dict("".join(shlex.split(line)).split("=", 1) for line in lines)
