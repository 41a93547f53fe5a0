"""The chart of lines. Invariant: both axes are linear and start at zero."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 430, 70, 190, 72, 60
_COLORS = ("#1f6feb", "#bc4c00", "#2da44e")
_TEXT, _GRID = "#1f2328", "#d0d7de"
_STEPS = 5

Points = Sequence[tuple[float, float]]


def lines(title: str, horizontal: str, vertical: str, series: Mapping[str, Points]) -> str:
    """Return an SVG chart with one line per series, and a legend.

    Args:
        title: heading of the chart.
        horizontal: what the horizontal axis shows.
        vertical: what the vertical axis shows.
        series: the points of each line by its label, from left to right.
    """
    right = max(x for points in series.values() for x, _ in points)
    highest = max(y for points in series.values() for _, y in points)
    across, up = _ticks(right), _ticks(highest)
    x_scale = (_WIDTH - _LEFT - _RIGHT) / across[-1]
    y_scale = (_HEIGHT - _TOP - _BOTTOM) / up[-1]
    bottom = _HEIGHT - _BOTTOM
    drawn = [
        *(_level(bottom - tick * y_scale, f"{tick:g}") for tick in up),
        *(_text(_LEFT + tick * x_scale, bottom + 20, f"{tick:g}", "middle") for tick in across),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, horizontal, "middle"),
        _text(20, _TOP - 16, vertical, "start"),
        *(
            _line([(_LEFT + x * x_scale, bottom - y * y_scale) for x, y in points], color)
            for points, color in zip(series.values(), _COLORS, strict=False)
        ),
        *(
            _legend(_TOP + 24 * number, label, color)
            for number, (label, color) in enumerate(zip(series, _COLORS, strict=False))
        ),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n'
        f'<text x="20" y="30" font-size="17" font-weight="600" fill="{_TEXT}">'
        f"{escape(title)}</text>\n{''.join(drawn)}</svg>\n"
    )


def _ticks(highest: float) -> list[float]:
    """Return round numbers from zero to the first that is not below the highest."""
    power = 10 ** floor(log10(highest / _STEPS))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power * _STEPS >= highest)
    return [n * step for n in range(ceil(highest / step) + 1)]


def _level(y: float, label: str) -> str:
    return (
        f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>\n'
        f"{_text(_LEFT - 10, y + 5, label, 'end')}"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_TEXT}">'
        f"{escape(text)}</text>\n"
    )


def _line(points: Points, color: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(_dot(x, y, color) for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>\n{dots}'


def _legend(y: float, label: str, color: str) -> str:
    x = _WIDTH - _RIGHT + 24
    return _dot(x, y, color) + _text(x + 12, y + 5, label, "start")


def _dot(x: float, y: float, color: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>\n'
