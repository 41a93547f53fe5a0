"""The plots of the marts, drawn from a real server into one page."""

import re
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from local.plots import Plot, declared_plots, write_report
from local.result import marts_of_manifest
from scripts.errors import ConfigurationError
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_DAYS = """
    select day::date, source, amount from (values
        ('2026-01-30', 'a', 3), ('2026-01-30', '<b>', 4.5), ('2026-01-31', 'a', null)
    ) as found (day, source, amount)
"""


def _mart(*plots: Any) -> dict[str, Any]:
    return {"name": "fct_x", "config": {"meta": {"plots": list(plots)}}}


def _page(warehouse: Warehouse, folder: Path, *plots: Plot) -> str:
    page = folder / "marts.html"
    write_report(plots, warehouse.reader, page)
    return page.read_text(encoding="utf-8")


def _texts(page: str) -> set[str]:
    """Return every text in the first plot of a page."""
    svg = page[page.index("<svg") : page.index("</svg>") + len("</svg>")]
    return {unescape(text).strip() for text in re.findall(r">([^<]+)<", svg)}


def test_a_line_for_each_series(warehouse: Warehouse, tmp_path: Path) -> None:
    texts = _texts(_page(warehouse, tmp_path, Plot("Amounts", _DAYS, "line")))
    assert {str(date(2026, 1, 30)), str(date(2026, 1, 31)), "a", "<b>", "4.5"} <= texts


def test_a_bar_for_each_label(warehouse: Warehouse, tmp_path: Path) -> None:
    page = _page(warehouse, tmp_path, Plot("Two", "values ('x', 1), ('y', 2)"))
    assert {"x", "y", "2"} <= _texts(page)
    assert not re.search(r"src=|href=|@import|url\(", page), "it loads something"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("select a, b from marts.gone", "relation &#34;marts.gone&#34; does not exist"),
        ("select 1", "a plot needs two columns"),
        ("values ('x', 'many')", "could not convert string to float"),
        ("create table public.mine ()", "permission denied for schema public"),
    ],
)
def test_a_plot_that_cannot_be_drawn_says_why_and_the_others_are_drawn(
    warehouse: Warehouse, tmp_path: Path, query: str, problem: str
) -> None:
    page = _page(warehouse, tmp_path, Plot("Bad", query), Plot("Good", "values ('x', 1)"))
    assert problem in page
    assert page.count("<svg") == 1


def test_without_a_plot_the_page_says_where_to_declare_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert "No mart declares a plot" in _page(warehouse, tmp_path)
    assert "no rows" in _page(warehouse, tmp_path, Plot("Empty", "select 1, 2 where false"))


def test_a_mart_declares_its_plots() -> None:
    found = declared_plots([_mart({"title": "T", "query": "select 1, 2"}), _mart()])
    assert found == [Plot("T", "select 1, 2", "bar")]
    assert len(declared_plots(marts_of_manifest())) >= 3
    with pytest.raises(ConfigurationError, match="fct_x, meta, plots: Invalid"):
        declared_plots([_mart({"title": "T", "query": "q", "kind": "pie"})])
