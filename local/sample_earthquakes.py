"""Generated earthquakes in the shape of the USGS. Invariant: same seed, same earthquakes.

An earthquake depends only on (seed, day, number), so one day can be generated without the others.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = ("10 km W of Idyllwild, CA", "Kermadec Islands, New Zealand", "27 km ESE of Çanta", None)


@dataclass(frozen=True)
class Earthquakes:
    """All earthquakes, and what the API knows of them now.

    Attributes:
        seed: a different seed gives different earthquakes.
        corrected: properties that replace those of an earthquake, by id.
        unknown: ids of earthquakes that the API has not learned of yet.
    """

    seed: int
    corrected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: Iterable[str] = ()

    def between(self, start: datetime, end: datetime, least: float = 0) -> list[dict[str, Any]]:
        """Return the earthquakes of [start, end] with a magnitude, in the order of their time."""
        days = range((end.date() - start.date()).days + 1)
        found = [one for back in days for one in self.of_day(start.date() + timedelta(days=back))]
        low, high = ((moment - _EPOCH) / _MILLISECOND for moment in (start, end))
        return [
            one
            for one in found
            if low <= one["properties"]["time"] <= high and one["properties"]["mag"] >= least
        ]

    def of_day(self, day: date) -> list[dict[str, Any]]:
        """Return the earthquakes of a day that the API knows, in the order of their time."""
        known = (one for one in self._all_of(day) if one["id"] not in set(self.unknown))
        return sorted(known, key=lambda one: (one["properties"]["time"], one["id"]))

    def _all_of(self, day: date) -> Iterator[dict[str, Any]]:
        for number in range(3 + self._bytes(day, 0)[0] % 6):
            dice = self._bytes(day, number + 1)
            # The first and the last millisecond of a day are in it.
            offset = (
                [0, 86_399_999][number] if number < 2 else int.from_bytes(dice[:4]) % 86_400_000
            )
            happened = (datetime.combine(day, time(), UTC) - _EPOCH) // _MILLISECOND + offset
            identity = f"st{day:%Y%m%d}{number:02}"
            yield {
                "type": "Feature",
                "properties": {
                    "mag": 2.5 + dice[5] % 40 / 10,
                    "place": _PLACES[dice[6] % len(_PLACES)],
                    "time": happened,
                    "updated": happened + 60_000,
                    "type": "earthquake",
                    **self.corrected.get(identity, {}),
                },
                "geometry": {"type": "Point", "coordinates": [dice[7] / 2, dice[8] / 4, dice[9]]},
                "id": identity,
            }

    def _bytes(self, day: date, number: int) -> bytes:
        return hashlib.blake2b(f"{self.seed}/earthquake/{day}/{number}".encode()).digest()
