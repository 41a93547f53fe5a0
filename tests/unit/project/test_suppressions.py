"""Suppressed findings of linters and scanners: at most five per tool, each with its reason.

Rules that are disabled for the whole project are in the tool's configuration, with their reasons.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_ROOT = Path(__file__).parents[3]
_MOST = 5
# The patterns are written so that they do not match any line of this file.
_SUPPRESSIONS = {
    "ruff": r"# *(?:(?:ruff|flake8): ?)?no[q]a(?:: ?\w+(?:, ?\w+)*)?|# *ruff: ?\w+\[[\w, -]*\]",
    "ruff format": r"# *(?:fmt|yapf): *(?:[s]kip|[o]ff)",
    "mypy": r"# *type: [i]gnore(?:\[[\w, -]*\])?|# *mypy: ?[\w-]+",
    "bandit": r"# *no[s]ec\b",
    "sqlfluff": r"-- *no[q]a(?:: ?[\w.=,]+)?",
    "checkov": r"# *(?:checkov|bridgecrew):[s]kip=\w+",
    "yamllint": r"# *yamllint [d]isable[\w-]*(?: rule:[\w-]+)*",
    "shellcheck": r"# *shellcheck [d]isable=[\w,]+",
    "hadolint": r"# *hadolint (?:global )?[i]gnore=[\w,]+",
    "zizmor": r"# *zizmor: ?[i]gnore\[[\w, -]*\]",
    "detect-secrets": r"pragma: ?(?:allow|white)[l]ist[ -](?:nextline[ -])?secret",
}
_REASON = re.compile(r" *[-#:] *\w\S* \w")  # at least two words


def _files() -> Iterator[Path]:
    """Yield the project's files, except files that .gitignore excludes."""
    ignored = {".git", *(_ROOT / ".gitignore").read_text().replace("/\n", "\n").splitlines()}
    for folder, below, names in os.walk(_ROOT):
        here = Path(folder).relative_to(_ROOT)
        below[:] = [name for name in below if not {name, str(here / name)} & ignored]
        # A patch repeats lines of other files.
        yield from (Path(folder, n) for n in names if n not in ignored and not n.endswith(".patch"))


def _found(pattern: str) -> dict[str, str]:
    """Return the rest of the line after each suppression, by file and line."""
    found = {}
    for file in _files():
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if match := re.search(pattern, line, re.IGNORECASE):
                found[f"{file.relative_to(_ROOT)}:{number}"] = line[match.end() :]
    return found


@pytest.mark.parametrize("tool", _SUPPRESSIONS)
def test_few_findings_are_hidden_and_each_for_a_reason(tool: str) -> None:
    found = _found(_SUPPRESSIONS[tool])
    assert len(found) <= _MOST, sorted(found)
    assert [where for where, rest in found.items() if not _REASON.match(rest)] == []


@pytest.mark.parametrize(
    ("tool", "line", "has_reason"),
    [
        ("ruff", "x = 1  # no" + "qa", False),
        ("ruff", "x = 1  # no" + "qa: E501, S105", False),
        ("ruff", "x = 1  # no" + "qa: E501 - a table reads better", True),
        ("mypy", "x = y  # type: " + "ignore[misc]", False),
        ("mypy", "x = y  # type: " + "ignore[misc]  # known at run time", True),
        ("checkov", "  #checkov:" + "skip=CKV_AWS_18", False),
        ("checkov", "  #checkov:" + "skip=CKV_AWS_18:it is logged elsewhere", True),
        ("detect-secrets", "k: test  # pragma: allow" + "list secret", False),
        ("detect-secrets", "k: test  # pragma: allow" + "list secret - a stand-in", True),
        ("sqlfluff", "select 1  -- no" + "qa: LT01", False),
        ("zizmor", "uses: x  # zizmor: " + "ignore[unpinned-uses]", False),
    ],
)
def test_what_counts_as_a_reason(tool: str, line: str, has_reason: bool) -> None:
    match = re.search(_SUPPRESSIONS[tool], line, re.IGNORECASE)
    assert match
    assert bool(_REASON.match(line[match.end() :])) is has_reason
