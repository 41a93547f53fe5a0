"""Any arrival starts a transform."""

import pytest
from airflow.sdk import Asset, AssetAny

from dags.common import assets
from scripts.settings import Deployment
from sources import SOURCES

pytestmark = pytest.mark.unit


def _names(url: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.setattr(assets, "DEPLOYMENT", Deployment(landing_queue_url=url))
    arrivals = assets.arrivals()
    assert isinstance(arrivals, AssetAny)  # a list would mean all of them
    return {str(getattr(found, "name", found)) for found in arrivals.objects}


def test_every_source_and_the_sweep_start_a_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _names("", monkeypatch) == {*(f"raw_{name}" for name in SOURCES), "landing_sweep"}


def test_a_queue_is_watched_where_one_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "landing_queue" in _names("http://127.0.0.1:1/000000000000/queue", monkeypatch)


def test_a_source_has_its_own_asset() -> None:
    for source in SOURCES.values():
        assert assets.raw_asset(source) == Asset(f"raw_{source.name}")
