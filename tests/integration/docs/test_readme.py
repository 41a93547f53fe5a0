"""Run README.md's commands that need no stack unchanged, and check its figures and pictures."""

import re
import stat
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS, README, ROOT, dotenv_settings, run_readme, set_up_copy

pytestmark = pytest.mark.integration


def test_a_command_that_the_readme_lacks_is_not_run(tmp_path: Path) -> None:
    known, unknown = "make help", "make helpless"
    with pytest.raises(LookupError, match="no command 'make helpless'"):
        run_readme(unknown, tmp_path)
    with pytest.raises(LookupError, match="no 'helpless' in 'make help'"):
        run_readme(known, tmp_path, replaced={"helpless": "help"})


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return set_up_copy(tmp_path_factory.mktemp("readme"))


@pytest.fixture
def nothing_runs(tmp_path: Path) -> dict[str, str]:
    """The environment of a stack that was never started."""
    return {"PIPELINE_LOCAL_DIR": str(tmp_path / "state")}


def test_status_and_down_of_nothing(tree: Path, nothing_runs: dict[str, str]) -> None:
    status = run_readme("make status", tree, nothing_runs)
    assert (status.returncode, "airflow_url" in status.stdout) == (0, True), status.stderr
    down = run_readme("make down", tree, nothing_runs)
    assert (down.returncode, down.stdout) == (0, "the stack is down\n"), down.stderr


def test_help_lists_every_target(tree: Path) -> None:
    done = run_readme("make help", tree)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [line.split()[1] for line in done.stdout.splitlines()] == targets


def test_format_writes_the_sources_as_the_linters_want_them(tree: Path) -> None:
    ugly = tree / "ugly" / "__init__.py"
    ugly.parent.mkdir()
    ugly.write_text('"""Ugly."""\n\na  =  1\n')
    done = run_readme("make format", tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ugly.read_text() == '"""Ugly."""\n\na = 1\n'


def test_env_is_written_with_fresh_secrets_as_the_profiles_want_it(tree: Path) -> None:
    made = [run_readme("make env", tree), run_readme("make env", tree)]
    ours = _taken(tree)
    made.append(run_readme("make env PROFILES=local", tree))
    local = _taken(tree)
    made.append(run_readme("make env PROFILES=local,celery", tree))
    celery = _taken(tree)
    made.append(run_readme("make env PROFILES=managed", tree))
    managed = _taken(tree)
    assert [done.returncode for done in made] == [0, 0, 0, 0, 0], made[0].stderr
    assert managed["COMPOSE_FILE"] == "docker-compose.yaml:deploy/managed_warehouse.yaml"
    assert "lacks nothing" in made[1].stdout
    assert (ours["COMPOSE_PROFILES"], ours["LANDING_BUCKET"]) == ("", "")
    assert (local["COMPOSE_PROFILES"], local["LANDING_BUCKET"]) == ("local", "landing")
    assert (celery["COMPOSE_PROFILES"], celery["PIPELINE_EXECUTOR"]) == (
        "celery,local",
        "CeleryExecutor",
    )
    assert len({ours["PIPELINE_ADMIN_PASSWORD"], local["PIPELINE_ADMIN_PASSWORD"], ""}) == 3


def _taken(tree: Path) -> dict[str, str]:
    """Delete .env and return its settings."""
    file = tree / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    file.unlink()
    return dotenv_settings(text)


def test_docs_describe_every_column(tree: Path) -> None:
    done = run_readme("make docs", tree)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "fct_posts" in (tree / "dbt" / "target" / "static_index.html").read_text()


def test_the_figures_are_those_of_the_benchmark() -> None:
    rows = re.findall(
        r"^\| (.+?) \| ([\d.]+ \S+) \| (. [\d.]+ \S+) \|$", README.read_text(), re.MULTILINE
    )
    assert len(rows) == 3
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    for row in rows:
        assert re.search(" +".join(map(re.escape, f"| {' | '.join(row)} |".split())), measured), row


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    assert len(README.read_text().splitlines()) < 250
    pictures = [*(ROOT / "docs" / "pictures").iterdir()]
    assert pictures
    assert max(picture.stat().st_size for picture in pictures) <= 200_000
    shown = "".join(document.read_text() for document in DOCUMENTS)
    assert [picture.name for picture in pictures if f"pictures/{picture.name})" not in shown] == []
