"""Bars stay inside their picture for all values."""

import msgspec
import pytest

from health_page.charts import HEIGHT, Chart, charts
from scripts.health.facts import Plots
from tests.unit.health.pictures import health, past, seen

pytestmark = pytest.mark.unit


def _lag(*seconds: float | None) -> Chart:
    found = health(seen(past()))
    days = len(found.days)
    series = [*seconds, *[None] * (days - len(seconds))]
    plots = Plots({"posts": [None] * days}, series, 3600, [0] * days, [None] * days)
    [chart] = [c for c in charts(msgspec.structs.replace(found, plots=plots)) if c.name == "lag"]
    return chart


def test_no_value_leaves_the_picture() -> None:
    for chart in charts(health(seen(past()))):
        assert len(chart.bars) in {30, 0}, "a source without any load has no bars"
        for bar in chart.bars:
            assert 0 <= bar.y <= HEIGHT
            assert 0 <= bar.height <= HEIGHT
            assert 0 <= bar.x < chart.width


def test_one_that_is_far_over_its_goal_does_not_flatten_the_others() -> None:
    chart = _lag(1800.0, 36_000.0, None)
    assert [bar.height for bar in chart.bars] == [10, 40]
    assert [bar.is_over for bar in chart.bars] == [False, True]
    assert chart.goal_y == 20
    assert "over the goal" in chart.bars[1].tip


def test_nothing_is_no_bar_and_no_division_by_zero() -> None:
    for chart in charts(health(seen([]))):
        assert (chart.bars, chart.latest) == ([], "nothing")
