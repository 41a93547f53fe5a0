"""The health in a terminal: the same facts as the page, and data is shown as it is."""

from io import StringIO

import pytest
from rich.console import Console

from scripts.alerts.incident import Incident, Kind
from scripts.health.facts import Health
from scripts.health.terminal import show, verdict_line
from tests.unit.health.pictures import NOW, changed, health, opened, past, seen

pytestmark = pytest.mark.unit


def _shown(found: Health) -> str:
    console = Console(file=StringIO(), width=160, color_system=None)
    show(found, console)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_every_fact_of_the_page_is_shown() -> None:
    found = health(seen(past()))
    text = _shown(found)
    assert text.startswith(str(verdict_line(found)))
    for tile in found.tiles:
        assert f"{tile.state.shape} " in text
        assert tile.title in text
        assert tile.value in text
    for mart in found.marts:
        assert mart.name in text
    for strip in found.on_time:
        assert f"{strip.on_time} of {strip.due} on time" in text


def test_a_missing_day_has_its_own_shape() -> None:
    assert "✕" not in _shown(health(seen(past())))
    assert "✕" in _shown(health(seen(changed(past(), "users", 3, gone=True))))


def test_days_that_were_asked_for_too_late_are_counted() -> None:
    assert "as of a later day" not in _shown(health(seen(past())))
    marked = _shown(health(seen(changed(past(), "users", 3, as_of=NOW))))
    assert "on time, 1 as of a later day" in marked


def test_data_is_shown_and_never_interpreted_as_markup() -> None:
    facts = {"Error": "[bold red]not markup[/] :warning:"}
    incident = Incident(Kind.RUN_FAILED, "[blink]x[/blink]", None, facts)
    text = _shown(health(seen(past(), incidents=[opened(incident)])))
    assert "[blink]x[/blink] failed" in text
    assert "Error: [bold red]not markup[/] :warning:" in text
    assert "[run-failed]" in text
