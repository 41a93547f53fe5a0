"""The picture of which model reads which. Invariant: it follows from dbt's manifest alone.

``python -m local.lineage`` writes ``docs/lineage.svg``; `make docs` calls it.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import typer

from local.state import ROOT
from scripts.cli import run_cli

PICTURE = ROOT / "docs" / "lineage.svg"
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 138, 30, 46, 20, 12
_COLOURS = {
    "source": "#57606a",
    "staging": "#0969da",
    "intermediate": "#8250df",
    "marts": "#1a7f37",
}
_TEXT = 'fill="#fff" font-family="sans-serif" font-size="12" text-anchor="middle"'

Place = tuple[int, int]


def draw(manifest: Mapping[str, Any]) -> str:
    """Return the lineage of a manifest's models as SVG, sources on the left."""
    parents = _parents(manifest)
    places = _places(parents)
    width = max(x for x, _ in places.values()) + _WIDTH + _MARGIN
    height = max(y for _, y in places.values()) + _HEIGHT + _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="Which dbt model reads which">'
    )
    lines = [head]
    for node, read in parents.items():
        lines += [_edge(places[parent], places[node]) for parent in read]
    lines += [_box(node, _layer(manifest, node), place) for node, place in places.items()]
    return "\n".join([*lines, "</svg>", ""])


def _parents(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what each model reads, by unique id, and that a source reads nothing."""
    models = {n: d for n, d in manifest["nodes"].items() if d["resource_type"] == "model"}
    found = {name: sorted(model["depends_on"]["nodes"]) for name, model in models.items()}
    sources = {parent for read in found.values() for parent in read if parent not in models}
    return dict(sorted({**found, **{source: [] for source in sources}}.items()))


def _places(parents: Mapping[str, list[str]]) -> dict[str, Place]:
    """Put each node to the right of all that it reads; return the corners of the boxes."""

    def depth(node: str) -> int:
        return max((depth(parent) + 1 for parent in parents[node]), default=0)

    columns = defaultdict(list)
    for node in parents:
        columns[depth(node)].append(node)
    tallest = max(map(len, columns.values()))
    step_x, step_y = _WIDTH + _GAP_X, _HEIGHT + _GAP_Y
    return {
        node: (
            _MARGIN + column * step_x,
            _MARGIN + row * step_y + (tallest - len(nodes)) * step_y // 2,
        )
        for column, nodes in columns.items()
        for row, node in enumerate(nodes)
    }


def _layer(manifest: Mapping[str, Any], node: str) -> str:
    return "source" if node.startswith("source.") else manifest["nodes"][node]["fqn"][1]


def _edge(start: Place, end: Place) -> str:
    x1, y1, x2, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[0], end[1] + _HEIGHT // 2
    bend = (x2 - x1) // 2
    return (
        f'<path d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" '
        'fill="none" stroke="#8c959f" stroke-width="1.2"/>'
    )


def _box(node: str, layer: str, place: Place) -> str:
    parts = node.split(".")
    name = ".".join(parts[2:]) if layer == "source" else parts[-1]
    x, y = place
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" '
        f'fill="{_COLOURS[layer]}"/>'
        f'<text x="{x + _WIDTH // 2}" y="{y + _HEIGHT // 2 + 4}" {_TEXT}>{name}</text>'
    )


def main() -> None:
    """Draw docs/lineage.svg from dbt/target/manifest.json."""
    manifest = json.loads((ROOT / "dbt" / "target" / "manifest.json").read_text())
    PICTURE.write_text(draw(manifest))
    typer.echo(f"wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    run_cli(main)
