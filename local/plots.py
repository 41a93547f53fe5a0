"""The marts as plots, in one HTML file. Each mart declares its plots in the ``meta`` of its model.

A plot is a title and a query of two columns, label and value, or of three: label, series, value.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import jinja2
import msgspec
import psycopg
import pygal
from pygal.style import Style

from scripts.errors import ConfigurationError
from scripts.warehouse.connection import connect

# pygal adds a finder of an old kind, for maps that nothing here draws. Newer importers refuse it.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

_CHARTS = {"bar": pygal.Bar, "line": pygal.Line}
_STYLE = Style(
    background="white",
    plot_background="white",
    font_family="system-ui, sans-serif",
    colors=("#1f6feb", "#bc4c00", "#2da44e", "#8250df", "#bf3989", "#57606a"),
)
_MOST_LABELS = 30  # below the horizontal axis
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Marts</title><style>
body { font-family: system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { overflow-x: auto; color: #57606a } .problem { color: #cf222e }
</style></head>
<body><h1>Marts</h1>
{% for plot, svg, problem in drawn %}
<section><h2>{{ plot.title }}</h2>
{% if problem %}<p class="problem">{{ problem }}</p>{% else %}{{ svg | safe }}{% endif %}
<details><summary>query</summary><pre>{{ plot.query }}</pre></details></section>
{% else %}
<p>No mart declares a plot. docs/your-own-source.md shows how.</p>
{% endfor %}
</body></html>
"""


class Plot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mart declares: a title, a query of the marts, and how it is drawn."""

    title: str
    query: str
    kind: Literal["bar", "line"] = "bar"


def declared_plots(marts: Sequence[dict[str, Any]]) -> list[Plot]:
    """Return the plots of some models of dbt's manifest. Raises ConfigurationError."""
    found = []
    for mart in marts:
        try:
            found += msgspec.convert(mart["config"]["meta"].get("plots", []), list[Plot])
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{mart['name']}, meta, plots: {error}") from None
    return found


def write_report(plots: Sequence[Plot], dsn: str, page: Path) -> None:
    """Draw plots into an HTML page that needs nothing else. The page says why a query failed.

    Args:
        plots: what to draw.
        dsn: the warehouse, as role reader.
        page: the file. It is replaced.
    """
    with connect(dsn, autocommit=True) as connection:
        drawn = [(plot, *_drawn(plot, connection)) for plot in plots]
    environment = jinja2.Environment(autoescape=True)
    page.write_text(environment.from_string(_PAGE).render(drawn=drawn), encoding="utf-8")


def _drawn(plot: Plot, connection: psycopg.Connection[Any]) -> tuple[str, str]:
    """Return a plot as SVG, or an empty text and why it cannot be drawn."""
    try:
        rows = connection.execute(plot.query.encode()).fetchall()
        return _svg(plot, rows), ""
    except (psycopg.Error, ValueError, TypeError) as error:
        return "", str(error).strip().splitlines()[0]


def _svg(plot: Plot, rows: list[tuple[Any, ...]]) -> str:
    if any(len(row) not in {2, 3} for row in rows):
        raise ValueError(
            "a plot needs two columns, label and value, or three: label, series, value"
        )
    labels = list(dict.fromkeys(row[0] for row in rows))
    values = {(row[0], row[1:-1]): row[-1] for row in rows}
    series = list(dict.fromkeys(row[1:-1] for row in rows))
    chart = _CHARTS[plot.kind](
        js=[],  # nothing of the page comes from elsewhere
        disable_xml_declaration=True,
        style=_STYLE,
        width=900,
        height=340,
        show_legend=any(series),
        x_label_rotation=30,
        x_labels_major_every=len(labels) // _MOST_LABELS + 1,
        show_minor_x_labels=False,
        no_data_text="no rows",
    )
    chart.x_labels = [str(label) for label in labels]
    for name in series:
        numbers = [values.get((label, name)) for label in labels]
        chart.add(" ".join(map(str, name)), list(_numbers(numbers)))
    return str(chart.render(is_unicode=True))


def _numbers(values: Sequence[Any]) -> Iterator[float | None]:
    return (None if value is None else float(value) for value in values)
