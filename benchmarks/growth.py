"""The table's size over reruns. Invariant: one rerun, one clean-up, one vacuum, as in the pipeline.

The rows that a rerun replaces stay until the clean-up, so at its peak a table holds one day more.
A table of one day is therefore the worst case, and a table of a week is the normal case.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.objects import DAY, put, store
from benchmarks.warehouse import Warehouse
from scripts.load.load import load
from scripts.load.superseded import clean_up
from scripts.settings import RunSettings
from sources.jsonplaceholder import POSTS

RERUNS = 5
WEEK = 7


@dataclass(frozen=True)
class Growth:
    """Sizes in bytes of a table of some days: initially, and after each rerun of the last day."""

    days: int
    first: int
    after: list[int]

    @property
    def ratio(self) -> float:
        """Size after the last rerun, relative to the first size."""
        return self.after[-1] / self.first

    @property
    def largest(self) -> float:
        """Largest size after any rerun, relative to the first size."""
        return max(self.after) / self.first


def growth(warehouse: Warehouse, folder: Path, rows: int, days: int) -> Growth:
    """Load some days of `rows` records each, then reload the last day several times."""
    warehouse.reset()
    bucket, settings = folder / f"growth-{rows}-{days}", RunSettings()
    objects = store(bucket)
    for day in (DAY + timedelta(days=n) for n in range(days)):
        put(bucket, rows, 0, day, seed=day.toordinal())
        load(POSTS, day, objects, warehouse.loader, settings)
    warehouse.vacuum()
    first, after = warehouse.bytes(), []
    for _ in range(RERUNS):
        load(POSTS, day, objects, warehouse.loader, settings, again=True)
        clean_up(warehouse.loader, POSTS, settings, [])
        warehouse.vacuum()
        after.append(warehouse.bytes())
    return Growth(days, first, after)
