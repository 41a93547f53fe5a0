"""The local stack reports the alert channels that Airflow's environment configures."""

from pathlib import Path

import pytest

from local.stack import Stack

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("addressees", "names"), [("a@example.com", ["slack", "mail:a@example.com"]), ("", ["slack"])]
)
def test_the_channels_are_those_of_airflows_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addressees: str, names: list[str]
) -> None:
    monkeypatch.setenv("PIPELINE_ALERT_EMAIL", addressees)
    assert Stack(tmp_path).status()["alerts_go_to"] == names
