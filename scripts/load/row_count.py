"""The places of the rows of one load, and whether a key can occur twice in it."""

from collections.abc import Iterable, Sequence
from itertools import compress, islice
from operator import lt
from typing import Any, TypeAlias

from scripts.landing.json_array import Batch
from scripts.load.contract import CheckedBatch
from sources import Source

CheckedBatches: TypeAlias = Iterable[tuple[Batch, CheckedBatch]]


class RowCount:
    """Counts the rows of checked batches, and watches the order of their keys.

    Attributes:
        copied: rows so far.
        is_ordered: whether the keys are strictly increasing. Then no key occurs twice.
    """

    def __init__(self, source: Source) -> None:
        self.copied = 0
        # Moments with and without a zone cannot be compared here: PostgreSQL does it.
        self.is_ordered = "timestamp with time zone" not in source.key_columns.values()
        self._last: list[Any] = []
        self._key = source.key_in if source.key else None

    def positions(self, batch: Batch, checked: CheckedBatch) -> Sequence[int]:
        """Count the rows of a batch. Return the place of each in its object."""
        positions: Sequence[int] = range(batch.first, batch.first + len(batch.records))
        if checked.breaches:
            passes = [True] * len(batch.records)
            for index in checked.breaches:
                passes[index] = False
            positions = list(compress(positions, passes))
        if self.is_ordered and self._key and checked.rows:
            chain = self._last + list(map(self._key, checked.rows))
            self.is_ordered = all(map(lt, chain, islice(chain, 1, None)))
            self._last = chain[-1:]
        self.copied += len(checked.rows)
        return positions
