"""Every command ends with status 0 or 2, and an error is one line."""

import pytest
import typer

from scripts.cli import progress, run_cli, source_named
from scripts.errors import InvalidInputError, UnavailableError
from sources.jsonplaceholder import POSTS

pytestmark = pytest.mark.unit


def test_an_error_is_one_line_on_stderr_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def main() -> None:
        raise UnavailableError("the first line\n  and the second")

    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as ended:
        run_cli(main)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "error: the first line and the second\n")


def test_success_is_status_0(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["command"])
    with pytest.raises(SystemExit) as ended:
        run_cli(lambda: typer.echo("done"))
    assert ended.value.code == 0
    assert capsys.readouterr().out == "done\n"


def test_a_source_is_found_by_its_name() -> None:
    assert source_named("posts") is POSTS
    with pytest.raises(InvalidInputError, match=r"'todos'.*comments, earthquakes, posts, users"):
        source_named("todos")


def test_progress_shows_nothing_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.cli._QUIET_SECONDS", 0.0)
    with progress() as show:
        show("1 of 2")
    assert capsys.readouterr() == ("", "")
