"""The tables and their place in docs. Invariant: the text between the markers is generated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import extraction, small
from benchmarks.figures import Figure, Samples, cpu, middle, peak_mb, ratio
from benchmarks.growth import Growth
from benchmarks.measure import Sample

END = "<!-- end -->"
_COLUMNS = ["", "rows/s", "rounds", "wall s", "wall ×", "CPU ×", "peak MB"]
_CPU = ["CPU s client", "CPU s server"]


@dataclass(frozen=True)
class Report:
    """All measurements of one run, by number of rows where there are several sizes."""

    facts: Mapping[str, str]
    labels: Mapping[str, str]
    loads: Mapping[int, Samples]
    extractions: Samples
    small: Samples
    grown: Sequence[Growth]
    figures: Sequence[Figure]

    def as_json(self) -> dict[str, Any]:
        """Return every sample, figure and fact as plain JSON values."""
        figures = [{**asdict(f), "is_met": f.is_met} for f in self.figures]
        return {**asdict(self), "figures": figures}

    def markdown(self) -> str:
        """Return the whole report as Markdown."""
        return "\n\n".join(
            [
                table(["figure", "measured", "goal", ""], [f.cells() for f in self.figures]),
                *(
                    f"### {rows:,} rows, until visible\n\n"
                    + _timings(samples, "load", self.labels, "limit")
                    for rows, samples in self.loads.items()
                ),
                "### Extraction\n\n"
                + _timings(self.extractions, "extract", extraction.LABELS, has_server=False),
                f"### {small.ROWS} rows, whole processes\n\n"
                + _timings(self.small, "command", small.LABELS, has_memory=False),
                "### The table's size over reruns\n\n" + _sizes(self.grown),
                "### Environment\n\n"
                + "\n".join(f"- {name}: {fact}" for name, fact in self.facts.items()),
            ]
        )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, padded so that it is also readable in a terminal."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    rule = ["-" * max(3, width) for width in widths]
    lines = [header, rule, *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def _timings(
    samples: Samples,
    ours: str,
    labels: Mapping[str, str],
    limit: str = "",
    *,
    has_memory: bool = True,
    has_server: bool = True,
) -> str:
    """Return the table of contenders, fastest first. Above 1, `×` means that ours is better."""
    ordered = sorted(samples, key=lambda name: middle(samples[name]))
    header = [*_COLUMNS, *_CPU]
    rows = []
    for name in ordered:
        taken, base = samples[name], samples[ours]
        row = [
            labels[name],
            f"{middle(taken, lambda s: s.rows / s.seconds):,.0f}",
            str(len(taken)),
            f"{middle(taken):.2f}",
            f"{ratio(taken, base):.2f}",
            f"{ratio(taken, base, cpu):.2f}",
            f"{peak_mb(taken):,.1f}" if has_memory else "–",
            f"{middle(taken, _client):.2f}",
            f"{middle(taken, _server):.2f}" if has_server else "–",
        ]
        share = f"{ratio(samples[limit], taken):.2f}" if limit in samples else ""
        rows.append([*row, share] if limit in samples else row)
    if limit in samples:
        header, rows = _second(header, "share of limit"), [_second(r[:-1], r[-1]) for r in rows]
    return table(header, rows)


def _second(cells: Sequence[str], cell: str) -> list[str]:
    return [*cells[:2], cell, *cells[2:]]


def _client(sample: Sample) -> float:
    return sample.client_cpu


def _server(sample: Sample) -> float:
    return sample.server_cpu


def _sizes(grown: Sequence[Growth]) -> str:
    header = ["", "first MB", *(f"rerun {n + 1}" for n in range(len(grown[0].after))), "at most"]
    rows = [
        [
            f"{g.days} day(s), the last one rerun",
            f"{g.first / 1e6:.1f}",
            *(f"{size / g.first:.2f} ×" for size in g.after),
            f"{g.largest:.2f} ×",
        ]
        for g in grown
    ]
    return table(header, rows)


def begin(module: str) -> str:
    """Return the line that precedes a module's tables."""
    return f"<!-- begin: written by python -m {module} --write -->"


def put_between_markers(file: Path, module: str, text: str) -> None:
    """Replace the text between a module's markers.

    The rest of the file is written manually or by another module, and does not change.

    Raises:
        ValueError: the file lacks the markers.
    """
    mark = begin(module)
    before, found, rest = file.read_text().partition(mark)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"{file.name} has no line {mark!r} with a line {END!r} after it")
    file.write_text(f"{before}{mark}\n\n{text}\n\n{END}{after}")
