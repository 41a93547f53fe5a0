"""The local stack shows its alert channels, and warns clearly when no channel exists."""

from pathlib import Path

import pytest

from local.__main__ import _show
from local.stack import Stack
from scripts.alerts.channels import Channel

pytestmark = pytest.mark.unit


class Unheard(Stack):
    """A stack without any channel."""

    def channels(self) -> list[Channel]:
        return []


@pytest.mark.parametrize(
    ("addressees", "names"), [("a@example.com", ["slack", "mail"]), ("", ["slack"])]
)
def test_the_channels_are_those_of_airflows_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addressees: str, names: list[str]
) -> None:
    monkeypatch.setenv("PIPELINE_ALERT_EMAIL", addressees)
    assert Stack(tmp_path).status()["alerts_go_to"] == names


def test_no_channel_at_all_is_said_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _show(Stack(tmp_path))
    assert "NOT reported" not in capsys.readouterr().out
    _show(Unheard(tmp_path))
    assert "failures are NOT reported" in capsys.readouterr().out
