"""The chart of lines: its axes start at zero, and its points are in proportion."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.lines import lines

pytestmark = pytest.mark.unit
_SVG = "{http://www.w3.org/2000/svg}"


def test_the_chart_is_wellformed_and_in_proportion() -> None:
    drawn = lines("a < b", "days", "seconds", {"few": [(100, 1), (300, 2)], "all": [(300, 4.5)]})
    root = ET.fromstring(drawn)  # noqa: S314 - our own text
    texts = {text.text: text.attrib for text in root.findall(f"{_SVG}text")}
    few, _ = (line.attrib["points"].split() for line in root.findall(f"{_SVG}polyline"))
    (x, y), (end_x, end_y) = (map(float, point.split(",")) for point in few)
    left, floor = float(texts["100"]["x"]) - (end_x - x) / 2, y + (y - end_y)
    assert x == pytest.approx(float(texts["100"]["x"]), abs=0.2)
    assert [float(texts[str(n)]["x"]) for n in (200, 300)] == pytest.approx(
        [left + (end_x - x), end_x], abs=0.2
    )
    assert [float(texts[str(n)]["y"]) - 5 for n in (1, 2)] == pytest.approx([y, end_y], abs=0.2)
    assert {"a < b", "days", "seconds", "few", "all", "5"} <= texts.keys()
    assert float(texts["5"]["y"]) - 5 == pytest.approx(floor - 5 * (y - end_y), abs=0.5)
