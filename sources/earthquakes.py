"""The sample of a source that is asked for one day: the earthquakes of the USGS.

API documentation: https://earthquake.usgs.gov/fdsnws/event/1/. It revises magnitudes for days, and
learns of some earthquakes late, so every run looks three days back. It counts the end as part of
the day, in microseconds.
"""

import msgspec

from sources.declaration import Api, BigInt, Source, Window, single_page


class Properties(msgspec.Struct):
    """What is known of an earthquake. Times are milliseconds since 1970."""

    mag: float | None
    place: str | None
    time: BigInt
    updated: BigInt


class Earthquake(msgspec.Struct):
    """One earthquake, as a GeoJSON feature."""

    id: str
    properties: Properties


API = Api(name="earthquakes", base_url="https://earthquake.usgs.gov", paginator=single_page())
EARTHQUAKES = Source(
    api=API,
    name="earthquakes",
    path="/fdsnws/event/1/query",
    params={"format": "geojson", "orderby": "time-asc", "minmagnitude": "2.5"},
    day=Window(
        "starttime",
        "endtime",
        format="%Y-%m-%dT%H:%M:%S.%f",
        is_end_inclusive=True,
        lookback_days=3,
    ),
    data_selector="features",
    total_path="metadata.count",
    contract=Earthquake,
)

SOURCES = (EARTHQUAKES,)
