"""The output of the benchmarks: tables, markers, the pictures."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.lines import lines
from benchmarks.picture import picture
from benchmarks.report import END, begin, put_between_markers, table

pytestmark = pytest.mark.unit
_MODULES = ("benchmarks.load", "benchmarks.pipeline", "benchmarks.history", "benchmarks.large_day")
_BEGIN = begin("benchmarks.load")
_SVG = "{http://www.w3.org/2000/svg}"


def test_a_table_is_padded() -> None:
    assert table(["", "rows/s"], [["our load", "1"]]) == (
        "|          | rows/s |\n| -------- | ------ |\n| our load | 1      |"
    )


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(f"by hand\n{_BEGIN}\nold\n{END}\nby hand too\n")
    for text in ("first", "second"):
        put_between_markers(file, "benchmarks.load", text)
    assert file.read_text() == f"by hand\n{_BEGIN}\n\nsecond\n\n{END}\nby hand too\n"


def test_a_file_without_markers_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(f"{END}\n{_BEGIN}\n")
    with pytest.raises(ValueError, match="has no line"):
        put_between_markers(file, "benchmarks.load", "text")
    assert file.read_text() == f"{END}\n{_BEGIN}\n"


def test_each_module_writes_between_its_own_markers(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text("".join(f"{begin(module)}\n{END}\n" for module in _MODULES))
    for module in _MODULES[::-1]:
        put_between_markers(file, module, module)
    assert file.read_text() == "".join(f"{begin(m)}\n\n{m}\n\n{END}\n" for m in _MODULES)


@pytest.mark.parametrize("module", _MODULES)
def test_the_docs_have_the_markers(module: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text()
    assert END in text.partition(begin(module))[2]


def test_the_picture_is_wellformed_and_in_proportion() -> None:
    root = _root(picture("a < b", {"slow & sure": 50.0, "ours": 200.0}, {"ours": "ours"}))
    bars = [float(bar.attrib["width"]) for bar in root.findall(f"{_SVG}rect")[1:]]
    texts = [text.text for text in root.findall(f"{_SVG}text")]
    assert bars[0] == pytest.approx(4 * bars[1], abs=0.2)
    assert texts == ["a < b", "ours", "200", "slow & sure", "50"]


def test_the_lines_are_in_proportion_and_their_axes_start_at_zero() -> None:
    root = _root(lines("a < b", "days", "s", {"few": [(100, 1), (300, 2)], "all": [(300, 4.5)]}))
    texts = {text.text: text.attrib for text in root.findall(f"{_SVG}text")}
    dots = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter(f"{_SVG}circle")
    ]
    left, bottom = float(texts["0"]["x"]), dots[0][1] + (dots[0][1] - dots[1][1])
    assert {"a < b", "days", "s", "few", "all", "300", "5"} <= texts.keys()
    assert dots[1][0] - left == pytest.approx(3 * (dots[0][0] - left), abs=0.5)
    assert bottom - dots[2][1] == pytest.approx(4.5 * (bottom - dots[0][1]), abs=0.5)
    assert float(texts["300"]["x"]) == pytest.approx(dots[1][0])


def _root(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)  # noqa: S314 - our own text
