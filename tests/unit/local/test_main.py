"""The command line: its commands, its remembered options, and how it shows the stack."""

import json
import os
from pathlib import Path

import msgspec
import pytest
from requests.utils import get_environ_proxies
from typer.testing import CliRunner, Result

from local.__main__ import _options, _show, app
from local.stack import Stack
from local.state import StackOptions, StackState, read_state, write_state
from scripts.alerts.channels import Channel
from scripts.errors import ConfigurationError, InvalidInputError

pytestmark = pytest.mark.unit


class Unheard(Stack):
    """A stack without any channel."""

    def channels(self) -> list[Channel]:
        return []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a stack that was never started."""
    found = tmp_path / "state"
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(found))
    return found


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_help_lists_the_commands(folder: Path) -> None:
    shown = _run("--help")
    assert shown.exit_code == 0
    words = shown.stdout.split()
    assert [name for name in ("up", "run", "status", "airflow", "down") if name not in words] == []
    assert not folder.exists()


@pytest.mark.usefixtures("folder")
def test_no_server_of_the_stack_is_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.com")
    _run("status")
    assert get_environ_proxies("http://127.0.0.1:1", None) == {}
    assert get_environ_proxies("http://example.com", None) == {}
    assert "http" in get_environ_proxies("http://example.org", None)


def test_the_status_of_nothing_is_shown_and_changes_nothing(folder: Path) -> None:
    shown = _run("status")
    assert (shown.exit_code, "airflow_url" in shown.stdout) == (0, True), shown.output
    assert "unknown" in shown.stdout  # the health, because no warehouse answers
    facts = json.loads(_run("status", "--json").stdout)
    assert facts["processes"] == {}
    assert facts["mail_inbox"] == str(folder / "inbox" / "mail.jsonl")
    assert not folder.exists()


def test_a_dead_process_is_shown_with_the_end_of_its_log_and_fails_the_status(folder: Path) -> None:
    write_state(folder, StackState())
    logs = folder / "logs"
    logs.mkdir()
    pid_of_another = {"pid": os.getpid(), "created": 1.0}
    (logs / "scheduler.pid").write_bytes(msgspec.json.encode(pid_of_another))
    (logs / "scheduler.log").write_text("no space left on device\n")
    shown = _run("status")
    assert shown.exit_code == 1
    assert "scheduler died" in shown.stdout
    assert "no space left on device" in shown.stdout
    assert _run("status", "--json").exit_code == 1


def test_a_wrong_day_is_refused_before_anything_starts(folder: Path) -> None:
    refused = _run("run", "--day", "2026-02-30")
    assert isinstance(refused.exception, InvalidInputError)
    assert not folder.exists()


def test_down_keeps_the_state_unless_it_is_purged(folder: Path) -> None:
    state = StackState()
    write_state(folder, state)
    kept = _run("down")
    assert (kept.exit_code, kept.stdout) == (0, "the stack is down\n"), kept.output
    assert read_state(folder) == state
    purged = _run("down", "--purge")
    assert (purged.exit_code, "its state is deleted" in purged.stdout) == (0, True), purged.output
    assert not folder.exists()


@pytest.mark.parametrize("command", [("down", "--purge"), ("up",)])
def test_a_folder_of_something_else_is_neither_used_nor_deleted(
    folder: Path, command: tuple[str, ...]
) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("the only copy")
    refused = _run(*command)
    assert isinstance(refused.exception, ConfigurationError)
    assert "contains other files" in str(refused.exception)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_an_option_replaces_its_remembered_value_only(tmp_path: Path) -> None:
    remembered = StackOptions(api="https://api.example", posts=7, seed=2, workers=1)
    write_state(tmp_path, StackState(options=remembered))
    stack = Stack(tmp_path)
    assert _options(stack, None, posts=None, seed=None, workers=None) == remembered
    changed = _options(stack, "stand-in", posts=None, seed=0, workers=None)
    assert changed == StackOptions(api="", posts=7, seed=0, workers=1)


def test_no_channel_at_all_is_said_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _show(Stack(tmp_path))
    assert "NOT reported" not in capsys.readouterr().out
    _show(Unheard(tmp_path))
    assert "failures are NOT reported" in capsys.readouterr().out
