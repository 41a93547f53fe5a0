"""Break the code on purpose, one patch at a time: the test that each patch names must turn red.

Each ``*.patch`` begins with ``test: <pytest node>``, then says why, then is a unified diff. It is
applied to a copy of the tree; the work tree is never changed. ``python -m tests.mutants [NAME...]``
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_COPIED = ("scripts", "callbacks", "dags", "dbt", "tests", "pyproject.toml")
_FAILED = 1  # pytest's status when tests ran and some failed; others mean that none ran


def main(names: list[str]) -> int:
    """Run every mutant, or those named; return 1 if one of them lives."""
    patches = sorted(_HERE.glob("*.patch"))
    patches = [p for p in patches if not names or p.stem in names]
    tests = {patch: _named_test(patch) for patch in patches}
    with _copied_tree() as tree:
        healthy = _run(tree, *dict.fromkeys(tests.values()))
    if not patches or healthy.returncode:
        _say(f"the tests must pass before they can turn red:\n{healthy.stdout}")
        return 1
    alive = [patch.stem for patch in patches if not _is_killed(patch, tests[patch])]
    _say(f"{len(patches) - len(alive)} of {len(patches)} mutants were caught")
    return 1 if alive else 0


def _named_test(patch: Path) -> str:
    first = patch.read_text().splitlines()[0]
    if not first.startswith("test: "):
        raise SystemExit(f"{patch.name} must begin with `test: <pytest node>`")
    return first.removeprefix("test: ")


def _is_killed(patch: Path, test: str) -> bool:
    with _copied_tree() as tree:
        subprocess.run(["patch", "-p1", "--quiet", "--input", patch], cwd=tree, check=True)
        done = _run(tree, test)
    is_killed = done.returncode == _FAILED
    _say(f"{'caught' if is_killed else 'ALIVE '}  {patch.stem}  by  {test}")
    if not is_killed:
        _say(done.stdout)
    return is_killed


@contextmanager
def _copied_tree() -> Iterator[Path]:
    with TemporaryDirectory(prefix="mutant-") as folder:
        for name in _COPIED:
            source, target = _ROOT / name, Path(folder) / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "target", "logs", ".local")
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy2(source, target)
        yield Path(folder)


def _run(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=False)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
