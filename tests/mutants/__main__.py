"""Break the code on purpose, one patch at a time: the test that each patch names must fail.

Each ``*.patch`` starts with ``test: <pytest node>``, then gives the reason, then a unified diff. It
is applied to a copy of the tree. The work tree never changes.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from scripts.cli import run_cli

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_FAILED = 1  # the exit status for failed tests, and for a broken promise of the simulation
# What the simulation finds by itself: docs/adr/0024-simulation.md tells which others there are.
_SIMULATED = (
    "build_by_hand_beside_a_task",
    "commit_the_ledger_first",
    "compare_with_any_load",
    "dbt_read_replaced_loads",
    "drop_the_lock",
    "drop_the_utf8_check",
    "forget_published_at",
    "forget_what_a_build_reads",
    "ignore_the_promised_sha256",
    "keep_duplicates",
    "leave_what_a_day_lost",
    "let_deep_records_pass",
    "let_nul_pass",
    "let_wild_numbers_pass",
    "look_for_duplicates_in_each_batch_only",
    "publish_by_rename",
    "publish_what_failed",
    "retire_the_old_load_first",
    "skip_the_compare",
    "skip_what_is_unpublished",
    "trust_the_first_look",
)
_SIMULATION = ("tests.sim", "--schedules", "200", "--no-shorter")


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="names of patches (default: all)")
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="run the simulation instead of the named tests")
    ] = False,
) -> None:
    """Run all mutants, or the given ones. Exit 1 if one of them survives."""
    default = _SIMULATED if simulate else ()
    patches = _patches(names or list(default))
    tests = {patch: _SIMULATION if simulate else _pytest(_named_test(patch)) for patch in patches}
    healthy = _SIMULATION if simulate else _pytest(*map(_named_test, patches))
    with _copied_tree() as tree:
        done = _run(tree, *healthy)
    if done.returncode:
        _say(f"the tests must pass without a mutant first:\n{done.stdout}")
        raise typer.Exit(1)
    alive = [patch.stem for patch in patches if not _is_killed(patch, tests[patch])]
    _say(f"{len(patches) - len(alive)} of {len(patches)} mutants were caught")
    if alive:
        raise typer.Exit(1)


def _patches(names: list[str]) -> list[Path]:
    known = {patch.stem: patch for patch in sorted(_HERE.glob("*.patch"))}
    if unknown := set(names) - set(known):
        raise typer.BadParameter(f"no such patch: {', '.join(sorted(unknown))}; see {_HERE}")
    return [known[name] for name in names or known]


def _named_test(patch: Path) -> str:
    first = patch.read_text().splitlines()[0]
    if not first.startswith("test: "):
        raise SystemExit(f"{patch.name} must begin with `test: <pytest node>`")
    return first.removeprefix("test: ")


def _pytest(*tests: str) -> tuple[str, ...]:
    return ("pytest", "-q", "-x", "-p", "no:cacheprovider", *dict.fromkeys(tests))


def _is_killed(patch: Path, test: tuple[str, ...]) -> bool:
    with _copied_tree() as tree:
        subprocess.run(["patch", "-p1", "--quiet", "--input", patch], cwd=tree, check=True)
        done = _run(tree, *test)
    is_killed = done.returncode == _FAILED
    by = test[-1] if test != _SIMULATION else done.stdout.strip().rpartition("\n")[2]
    _say(f"{'caught' if is_killed else 'ALIVE '}  {patch.stem}  by  {by}")
    if not is_killed:
        _say(done.stdout)
    return is_killed


@contextmanager
def _copied_tree() -> Iterator[Path]:
    """Copy all files of the work tree that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    with TemporaryDirectory(prefix="mutant-") as folder:
        for name in listed.stdout.splitlines():
            if (_ROOT / name).is_file():  # not deleted in the work tree
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(_ROOT / name, target)
        yield Path(folder)


def _run(tree: Path, *module: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", *module]
    return subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=False)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_cli(main)
