"""The tree in which the tests of the product run: this one, or a copy with exactly the sample.

The tests of the product use the sample: posts, comments, users and earthquakes. So that they pass
whatever a team declares, they run in a copy of this tree if it declares anything else, or the
sample no more.
``tests/declared`` always runs here, because it tests what is declared.

``python -m tests.tree pytest ...`` runs a module there. ``python -m tests.tree keep posts`` copies
the sample to ``tests/sample``, if that is what is about to be removed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

ROOT = Path(__file__).parents[1]
_KEPT = ROOT / "tests" / "sample"
_COPY = ROOT / ".tests"
_SOURCES = {"posts", "comments", "users", "earthquakes"}


def _both(*stems: str) -> set[str]:
    return {f"dbt/{stem}.{end}" for stem in stems for end in ("sql", "yml")}


_POSTS = {
    "sources/jsonplaceholder.py",
    *_both("models/staging/stg_posts", "models/staging/stg_comments", "models/staging/stg_users"),
    *_both("models/intermediate/int_post_changes", "models/intermediate/int_author_days"),
    *_both("models/marts/fct_post_changes"),
    *_both("models/marts/fct_posts", "models/marts/dim_authors"),
    *_both("tests/singular/authors_are_users", "tests/singular/comments_are_on_posts"),
}
_EARTHQUAKES = {
    "sources/earthquakes.py",
    *_both("models/staging/stg_earthquakes", "models/intermediate/int_earthquake_days"),
    *_both("models/marts/fct_earthquake_days"),
}
SAMPLE = _POSTS | _EARTHQUAKES
_PRODUCT = {
    "dbt/models/staging/ledger.yml",
    *_both(
        "models/intermediate/pinned_loads",
        "models/intermediate/carried_rows",
        "models/intermediate/published_days",
        "models/marts/fct_daily_loads",
    ),
    *_both("tests/singular/volume_is_usual", "tests/singular/days_are_what_the_models_read"),
}
# For make in a copy: what the copy only links to must not be installed again through the link.
LINKED = ("--assume-old=.venv/.installed", "--assume-old=.tools/datamodel/.installed")
_NOT_COPIED = (".git", ".venv", ".tools", ".local", ".tests", "__pycache__", "target", "logs")


def declared(tree: Path) -> set[str]:
    """Return the files of a tree that declare sources or models."""
    found = [
        *tree.glob("sources/[!_]*.py"),
        *(path for path in tree.glob("dbt/models/**/*") if path.is_file()),
        *tree.glob("dbt/tests/singular/*"),
    ]
    return {path.relative_to(tree).as_posix() for path in found}


def keep(tree: Path, names: str) -> None:
    """Copy the sample to ``tests/sample`` if one of these names is a part of it."""
    if _SOURCES & set(names.split()) and declared(tree) >= SAMPLE:
        for file in sorted(SAMPLE):
            kept = _kept(tree, file)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / file, kept)


def copied(tree: Path, copy: Path) -> Path:
    """Copy a tree, with its environment, but without what its commands have made."""
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    for folder in (".venv", ".tools"):
        if (tree / folder).exists():
            (copy / folder).symlink_to(tree / folder)
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        if shutil.which("git"):  # a copy is a repository, too: some tests list its files
            subprocess.run(command, cwd=copy, check=True)
    return copy


def copied_with_the_sample(tree: Path, copy: Path) -> Path:
    """Copy a tree, and replace what it declares with the sample.

    Raises:
        SystemExit: the sample is neither in the tree nor in ``tests/sample``.
    """
    shutil.rmtree(copy, ignore_errors=True)
    copied(tree, copy)
    for file in declared(copy) - SAMPLE - _PRODUCT:
        (copy / file).unlink()
    for file in sorted(SAMPLE):
        _take(file, tree, copy)
    subprocess.run(["make", *LINKED, "manifest"], cwd=copy, check=True)
    return copy


def _take(file: str, tree: Path, copy: Path) -> None:
    if _kept(tree, file).exists():
        shutil.copy(_kept(tree, file), copy / file)
    elif not (copy / file).exists():
        raise SystemExit(f"the tests need the sample: restore {file} or tests/sample from git")


def _kept(tree: Path, file: str) -> Path:
    return tree / _KEPT.relative_to(ROOT) / f"{file}.txt"


def main(arguments: Sequence[str]) -> None:
    """Run a module in the tree of the product's tests, or keep the sample."""
    if arguments[0] == "keep":
        keep(ROOT, arguments[1])
        return
    if declared(ROOT) != SAMPLE | _PRODUCT:
        typer.echo("the tests of the product run in .tests, a copy with exactly the sample")
        os.chdir(copied_with_the_sample(ROOT, _COPY))
    done = subprocess.run([sys.executable, "-m", *arguments], check=False)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
