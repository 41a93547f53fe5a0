"""The chart of rows per second. Invariant: bar lengths are proportional and start at zero."""

from collections.abc import Mapping
from html import escape

_WIDTH, _LEFT, _RIGHT, _BAR, _STEP, _TOP = 900, 330, 110, 22, 34, 58
_OURS = "#1f6feb"
_OTHERS = "#8b949e"
_LIMIT = "#2da44e"


def picture(title: str, speeds: Mapping[str, float], kinds: Mapping[str, str]) -> str:
    """Return an SVG bar chart.

    Args:
        title: heading of the chart.
        speeds: rows per second by label.
        kinds: ``ours`` or ``limit`` by label. All others are peers.
    """
    longest = max(speeds.values())
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    ordered = sorted(speeds, key=lambda label: -speeds[label])
    bars = "".join(
        _bar(_TOP + i * _STEP, label, speeds[label], scale, kinds.get(label, ""))
        for i, label in enumerate(ordered)
    )
    height = _TOP + len(speeds) * _STEP + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="20" y="32" font-size="17" font-weight="600" fill="#1f2328">'
        f"{escape(title)}</text>\n{bars}</svg>\n"
    )


def _bar(top: int, label: str, speed: float, scale: float, kind: str) -> str:
    color = {"ours": _OURS, "limit": _LIMIT}.get(kind, _OTHERS)
    length, middle = max(1.0, speed * scale), top + _BAR - 6
    return (
        f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end" fill="#1f2328">'
        f"{escape(label)}</text>\n"
        f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="3" '
        f'fill="{color}"/>\n'
        f'<text x="{_LEFT + length + 8:.1f}" y="{middle}" fill="#1f2328">{speed:,.0f}</text>\n'
    )
