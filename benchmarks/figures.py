"""Figures with goals from samples. Invariant: a ratio compares measurements of one round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.growth import WEEK, Growth
from benchmarks.measure import Sample

Samples = Mapping[str, Sequence[Sample]]
_MB = 1e6


@dataclass(frozen=True)
class Figure:
    """One measured claim. Without a goal it is only reported."""

    name: str
    value: float
    unit: str = "×"
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        """Return whether the goal is met. A figure without a goal counts as met."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def cells(self) -> list[str]:
        """Return name, value, goal and verdict for a table."""
        if self.at_least is None and self.at_most is None:
            return [self.name, self._shown(self.value), "–", "–"]
        sign, goal = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        verdict = "met" if self.is_met else "**missed**"
        return [self.name, self._shown(self.value), f"{sign} {goal:g} {self.unit}", verdict]

    def _shown(self, value: float) -> str:
        return f"{value:.2f} ×" if self.unit == "×" else f"{value:.1f} {self.unit}"


def seconds(sample: Sample) -> float:
    """Return the wall time of a sample."""
    return sample.seconds


def cpu(sample: Sample) -> float:
    """Return the CPU seconds of client and server."""
    return sample.client_cpu + sample.server_cpu


def ratio(
    over: Sequence[Sample], under: Sequence[Sample], of: Callable[[Sample], float] = seconds
) -> float:
    """Return the median of `over` / `under` over the rounds that both have.

    A contender that was measured once is compared with the median of the other. The speed of a
    machine changes within seconds, so a single short sample may be from a slow or a fast moment.
    """
    if 1 in (len(over), len(under)):
        return middle(over, of) / middle(under, of)
    return median(of(a) / of(b) for a, b in zip(over, under, strict=False))


def middle(samples: Sequence[Sample], of: Callable[[Sample], float] = seconds) -> float:
    """Return the median of one quantity."""
    return median(map(of, samples))


def peak_mb(samples: Sequence[Sample]) -> float:
    """Return the highest peak of memory above the imports, in MB. A median would hide it."""
    return max(s.peak_bytes for s in samples) / _MB


def load_figures(samples: Samples) -> list[Figure]:
    """Return the figures of the loads of one size."""
    limit, load = samples["limit"], samples["load"]
    return [
        Figure("share of the limit, clean", ratio(limit, load), at_least=0.95),
        Figure("share of two COPYs at once", ratio(samples["two"], load), at_least=0.9),
        Figure("faster than COPY of whole records", ratio(samples["whole"], load), at_least=1.8),
        Figure("share of the limit, 0.1 % bad records", ratio(limit, samples["bad"]), at_least=0.9),
        Figure("rerun of a day / its first load", ratio(samples["rerun"], load), at_most=1.1),
        *(
            Figure(f"faster than {label}", ratio(samples[name], load), at_least=goal)
            for name, (label, goal) in _PEER_GOALS.items()
            if name in samples
        ),
    ]


_PEER_GOALS = {
    "dlt_default": ("dlt, default", 20.0),
    "dlt_arrow": ("dlt, Arrow and ADBC", 1.5),
    "to_sql": ("pandas to_sql", 7.0),
    "insert_rows": ("the hook's insert_rows", 5.0),
}


def memory_figures(by_rows: Mapping[int, Samples]) -> list[Figure]:
    """Return the loader's peak memory, and how it grows from the smallest size to the largest."""
    names = ("load", "rerun", "bad")
    peaks = {
        rows: max(peak_mb(samples[name]) for name in names if name in samples)
        for rows, samples in by_rows.items()
    }
    growth = peaks[max(peaks)] - peaks[min(peaks)]
    sizes = f"{min(peaks):,} → {max(peaks):,} rows"
    return [
        Figure("loader's peak memory above imports", max(peaks.values()), "MB", at_most=20),
        Figure(f"its growth, {sizes}", growth, "MB", at_most=5),
    ]


def growth_figures(grown: Sequence[Growth]) -> list[Figure]:
    """Return the growth of a table over reruns.

    Only the week has a goal. A table of one day holds that day twice while it is replaced, and
    keeps the space for the next replacement (docs/adr/0006-space-of-replaced-rows.md).
    """
    return [
        Figure(
            f"table of {g.days} day(s) after {len(g.after)} reruns",
            g.ratio,
            at_most=1.3 if g.days == WEEK else None,
        )
        for g in grown
    ]


def extraction_figures(samples: Samples) -> list[Figure]:
    """Return the figures of the extraction."""
    ours = samples["extract"]
    share, faster = ratio(samples["pass_through"], ours), ratio(samples["parse_and_dump"], ours)
    enveloped = samples["enveloped"]
    more = peak_mb(enveloped) - peak_mb(ours)
    return [
        Figure("extraction, share of a pass-through", share, at_least=0.3),
        Figure("extraction, faster than json() and dumps", faster, at_least=1.5),
        Figure("extraction's peak memory above imports", peak_mb(ours), "MB", at_most=50),
        Figure("extraction from an envelope, share", ratio(ours, enveloped), at_least=0.9),
        Figure("its peak memory above that of an array", more, "MB", at_most=5),
    ]


def small_figures(samples: Samples) -> list[Figure]:
    """Return the figure of a hundred rows."""
    value = ratio(samples["command"], samples["connect"])
    return [Figure("100 rows, whole process / imports and connections", value, at_most=1.5)]
