"""A day in parts is the same object as a whole one. A run after a failed one fetches the rest."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from local.sample_earthquakes import Earthquakes
from local.stand_in_api import ApiSwitches
from local.switchable import SwitchableServer
from scripts.errors import InvalidDataError, PipelineError
from scripts.extract.extract import ExtractResult, extract
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.settings import Endpoint, RunSettings
from sources import Source
from sources.declaration import hours
from sources.declaration.part_sizes import Parts
from sources.earthquakes import EARTHQUAKES

pytestmark = pytest.mark.integration
Api = SwitchableServer[ApiSwitches]
DAY = date(2026, 1, 1)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SETTINGS = RunSettings(http_backoff=0.01, http_retries=0, read_timeout=2, total_timeout=30)


def land(
    api: Any, store: Store, source: Source, now: datetime = NOON, **settings: Any
) -> ExtractResult:
    changed = SETTINGS.model_copy(update=settings)
    return extract(source, DAY, Endpoint(api.url), store, changed, clock=lambda: now)


def body(store: Store, source: Source) -> bytes:
    opened = store.open(raw_key(source.name, DAY))
    assert opened is not None
    return b"".join(opened.blocks())


def in_parts(parts: Parts, source: Source = EARTHQUAKES) -> Source:
    return replace(source, parts=parts)


@pytest.mark.parametrize("failing", [0, 1, 4, 7])
def test_what_has_landed_of_a_failed_run_is_not_asked_for_again(
    api: Api, store: Store, failing: int
) -> None:
    source = in_parts(hours(3))
    api.switches = ApiSwitches(skip=failing, times=1, status=500)
    with pytest.raises(PipelineError, match="got 500"):
        land(api, store, source)
    assert store.head(raw_key("earthquakes", DAY)) is None
    api.switches = ApiSwitches()
    api.requests.clear()

    landed = land(api, store, source, NOON + timedelta(hours=1))

    assert len(api.requests) == 8 - failing
    assert landed.sha256 == land(api, store, EARTHQUAKES).sha256
    api.requests.clear()
    assert not land(api, store, source).is_new
    assert len(api.requests) == 8, "what has landed is asked for again in another run"


@pytest.mark.parametrize(
    ("source", "later"),
    [
        (in_parts(hours(6)), timedelta()),
        (
            replace(in_parts(hours(3)), params={**EARTHQUAKES.params, "minmagnitude": "3"}),
            timedelta(),
        ),
        (in_parts(hours(3)), timedelta(hours=24)),
    ],
    ids=["other parts", "other parameters", "a day later"],
)
def test_parts_of_another_question_are_not_used(
    api: Api, store: Store, source: Source, later: timedelta
) -> None:
    api.switches = ApiSwitches(skip=4, times=1, status=500)
    with pytest.raises(PipelineError):
        land(api, store, in_parts(hours(3)))
    api.switches = ApiSwitches()
    api.requests.clear()
    landed = land(api, store, source, NOON + later)
    assert len(api.requests) == len({request.query["starttime"] for request in api.requests})
    assert len(api.requests) in (4, 8)
    assert landed.sha256 == land(api, store, replace(source, parts=None)).sha256


def test_a_part_that_was_removed_is_fetched_again_with_those_behind_it(
    api: Api, store: Store
) -> None:
    source = in_parts(hours(3))
    api.switches = ApiSwitches(skip=6, times=1, status=500)
    with pytest.raises(PipelineError):
        land(api, store, source)
    gone = list(store.versions("parts/earthquakes/2026-01-01/0002"))
    store.delete_versions(gone)
    api.switches = ApiSwitches()
    api.requests.clear()
    assert land(api, store, source).sha256 == land(api, store, EARTHQUAKES).sha256
    assert len(api.requests) == 6 + 1


def test_a_day_without_records_is_the_same_object_too(api: Api, store: Store) -> None:
    nothing = ApiSwitches(unknown=[one["id"] for one in Earthquakes(1).of_day(DAY)])
    api.switches = nothing
    with pytest.raises(InvalidDataError, match="got an empty list"):
        land(api, store, in_parts(hours(6)))
    source = replace(EARTHQUAKES, allows_empty=True)
    landed = land(api, store, in_parts(hours(6), source))
    assert body(store, source) == b"[\n]\n"
    assert not land(api, store, source).is_new
    assert landed.rows == 0


def test_a_day_that_was_refused_as_empty_is_asked_for_again(api: Api, store: Store) -> None:
    source = in_parts(hours(6))
    api.switches = ApiSwitches(unknown=[one["id"] for one in Earthquakes(1).of_day(DAY)])
    with pytest.raises(InvalidDataError, match="got an empty list"):
        land(api, store, source)
    api.switches = ApiSwitches()
    assert land(api, store, source).rows == len(Earthquakes(1).of_day(DAY))


def test_parts_are_no_objects_of_a_source(api: Api, store: Store) -> None:
    land(api, store, in_parts(hours(6)))
    assert [info.key for info in store.list("raw/")] == ["raw/earthquakes/2026-01-01.json"]
    assert {info.key.rsplit("/", 1)[0] for info in store.list("parts/")} == {
        "parts/earthquakes/2026-01-01"
    }
