"""The pipeline's figures and tables. Invariant: a ratio compares measurements of one round."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.figures import Figure, cpu, middle, ratio
from benchmarks.idle import Idle
from benchmarks.measure import Sample
from benchmarks.report import table
from benchmarks.rounds import BACKFILLED, Backfill, Phase

_GB = 1e9
LABELS = {
    "models": "ours, a task a model",
    "single": "ours, one task for all models",
    "first_models": "ours, first models, a task a model",
    "first_single": "ours, first models, one task for all",
    "floor_models": "plain script, beside a task a model",
    "floor_single": "plain script, beside one task",
    "floor_first_models": "plain script, first models, beside a task a model",
    "floor_first_single": "plain script, first models, beside one task",
}
# Set for the first models of the project.
_GOALS = {"first_models": 1.5, "first_single": 0.8}
# Label, goal, and our variant that runs dbt as the peer does: one command per model, or for all.
_PEERS = {
    "tutorial": ("the tutorial design", 5.0, "models"),
    "dagster": ("Dagster", 3.0, "single"),
    "prefect": ("Prefect", 2.0, "single"),
}


@dataclass(frozen=True)
class PipelineReport:
    """All measurements of one run: phases by name, and the requested peers."""

    facts: Mapping[str, str]
    phases: Mapping[str, Phase]
    ingest_arrivals: Sequence[float]
    backfills: Sequence[Backfill]
    idle: Idle
    peers: Mapping[str, Sequence[Sample]] = field(default_factory=dict)

    @property
    def figures(self) -> list[Figure]:
        """Return the figures with their goals."""
        return [
            *phase_figures(self.phases),
            *arrival_figures(self.ingest_arrivals, self.phases),
            backfill_figure(self.backfills, self.phases["models"]),
            *idle_figures(self.idle),
            *peer_figures(self.peers, self.phases),
        ]

    def as_json(self) -> dict[str, Any]:
        """Return every sample, figure and fact as plain JSON values."""
        figures = [{**asdict(f), "is_met": f.is_met} for f in self.figures]
        return {**asdict(self), "figures": figures}

    def markdown(self) -> str:
        """Return the whole report as Markdown."""
        return "\n\n".join(
            [
                table(["figure", "measured", "goal", ""], [f.cells() for f in self.figures]),
                "### Landed until published, one day of 100 records\n\n" + self._timings(),
                "### Thirty days together\n\n" + _backfills(self.backfills),
                "### Waiting\n\n" + _idle(self.idle),
                "### Environment of the pipeline benchmark\n\n"
                + "\n".join(f"- {name}: {fact}" for name, fact in self.facts.items()),
            ]
        )

    def _timings(self) -> str:
        samples = {
            **{name: phase.ours for name, phase in self.phases.items()},
            **{f"floor_{name}": phase.floor for name, phase in self.phases.items()},
            **self.peers,
        }
        labels = LABELS | {name: label for name, (label, *_) in _PEERS.items()}
        rows = [
            [
                labels[name],
                str(len(taken)),
                f"{middle(taken):.2f}",
                f"{min(s.seconds for s in taken):.2f} to {max(s.seconds for s in taken):.2f}",
                f"{middle(taken, lambda s: s.client_cpu):.2f}",
                f"{middle(taken, lambda s: s.server_cpu):.2f}",
            ]
            for name, taken in sorted(samples.items(), key=lambda item: middle(item[1]))
        ]
        header = ["", "rounds", "wall s", "from, to", "CPU s client", "CPU s server"]
        return table(header, rows)


def phase_figures(phases: Mapping[str, Phase]) -> list[Figure]:
    """Return the time and the CPU of one day, each as a ratio to the floor."""
    figures = []
    for name, found in phases.items():
        label = LABELS[name].removeprefix("ours, ")
        figures += [
            Figure(
                f"landed → published / floor, {label}",
                ratio(found.ours, found.floor),
                at_most=_GOALS.get(name),
            ),
            Figure(f"CPU / floor, {label}", ratio(found.ours, found.floor, cpu)),
        ]
    return figures


def arrival_figures(ingest: Sequence[float], phases: Mapping[str, Phase]) -> list[Figure]:
    """Return the delay of the first task, after our own ingest and after another producer."""
    outside = [seconds for phase in phases.values() for seconds in phase.arrivals]
    return [
        Figure("end of ingest → first transform task", median(ingest), "s", at_most=1.5),
        Figure("object from outside → first transform task", median(outside), "s", at_most=5),
        *(
            Figure(f"end of a task → start of the next, {label}", median(gaps), "s", at_most=0.5)
            for label, gaps in _gaps(phases)
        ),
    ]


def _gaps(phases: Mapping[str, Phase]) -> Iterator[tuple[str, Sequence[float]]]:
    """Yield the label and the gaps of each way of running today's models."""
    for name in ("single", "models"):
        if name in phases and phases[name].gaps:
            yield LABELS[name].removeprefix("ours, "), phases[name].gaps


def backfill_figure(backfills: Sequence[Backfill], day: Phase) -> Figure:
    """Return the time of thirty days after the last landing, as a ratio to one day."""
    value = median(b.seconds for b in backfills) / middle(day.ours)
    return Figure(f"last of {BACKFILLED} days landed → all published / one day", value, at_most=3)


def idle_figures(idle: Idle) -> list[Figure]:
    """Return the CPU and memory of the idle Airflow."""
    return [
        Figure(
            "waiting: CPU of all Airflow processes", 100 * idle.share, "% of a core", at_most=12
        ),
        Figure("waiting: memory of all Airflow processes", idle.memory / _GB, "GB", at_most=1.3),
    ]


def peer_figures(
    peers: Mapping[str, Sequence[Sample]], phases: Mapping[str, Phase]
) -> list[Figure]:
    """Return how much faster each of our variants is than each measured peer.

    The goal applies to the variant that runs dbt as the peer does. A peer has separate rounds,
    after ours, so medians are compared.
    """
    return [
        Figure(
            f"faster than {label}, {LABELS[way].removeprefix('ours, ')}",
            middle(peers[name]) / middle(phases[way].ours),
            at_least=goal if way == alike else None,
        )
        for name, (label, goal, alike) in _PEERS.items()
        for way in ("models", "single")
        if name in peers
    ]


def _backfills(backfills: Sequence[Backfill]) -> str:
    rows = [[str(n + 1), f"{b.seconds:.2f}", str(b.runs)] for n, b in enumerate(backfills)]
    return table(["round", "s after the last landing", "transform runs"], rows)


def _idle(idle: Idle) -> str:
    rows = [
        [name, f"{100 * seconds / idle.seconds:.1f}", f"{idle.pss[name] / 1e6:.0f}"]
        for name, seconds in idle.cpu.items()
    ]
    rows.append(
        ["Postgres, metadata and warehouse", f"{100 * idle.server_cpu / idle.seconds:.1f}", "–"]
    )
    return table(["process, with its children", "% of a core", "MB PSS"], rows)
