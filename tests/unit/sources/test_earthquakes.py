"""The windowed source of the sample: what it asks for, and its contract."""

from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from local.sample_earthquakes import Earthquakes
from scripts.extract.paging import first_request
from sources.earthquakes import EARTHQUAKES

pytestmark = pytest.mark.unit

DAY = date(2026, 1, 31)


def test_it_asks_for_one_day_to_its_last_microsecond() -> None:
    request = first_request(EARTHQUAKES, f"https://api.example{EARTHQUAKES.path}", DAY)
    assert dict(parse_qsl(urlsplit(request.url).query)) == {
        "format": "geojson",
        "orderby": "time-asc",
        "minmagnitude": "2.5",
        "starttime": "2026-01-31T00:00:00.000000",
        "endtime": "2026-01-31T23:59:59.999999",
    }


def test_unknown_magnitudes_and_places_keep_the_contract() -> None:
    record = Earthquakes(1).of_day(DAY)[0]
    for changes in ({}, {"mag": None, "place": None}, {"tsunami": 1}):
        changed = {**record, "properties": {**record["properties"], **changes}}
        found: Any = msgspec.json.decode(msgspec.json.encode(changed), type=EARTHQUAKES.contract)
        assert found.id == record["id"]


@pytest.mark.parametrize("change", [{"time": None}, {"mag": "3"}, {"updated": 2**63}])
def test_a_wrong_value_breaks_the_contract(change: dict[str, object]) -> None:
    record = Earthquakes(1).of_day(DAY)[0]
    broken = {**record, "properties": {**record["properties"], **change}}
    with pytest.raises(msgspec.ValidationError, match="properties"):
        msgspec.json.decode(msgspec.json.encode(broken), type=EARTHQUAKES.contract)
