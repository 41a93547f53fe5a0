"""Health data as a query would return it, built in Python: a healthy history, then one change."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from scripts.alerts.incident import Incident
from scripts.health.facts import Health, Tile
from scripts.health.queries import HealthData, Load, OpenIncident, SourceState
from scripts.health.verdict import compose
from scripts.settings import RunSettings
from tests import health as ledger

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
TODAY = NOW.date()
LINEAGE = {
    "dim_authors": frozenset({"users", "posts"}),
    "fct_posts": frozenset({"posts", "comments", "users"}),
}
SETTINGS = RunSettings()


def past(now: datetime = NOW) -> list[ledger.Load]:
    """Return a healthy ledger."""
    return list(ledger.history(now))


def changed(loads: Iterable[ledger.Load], source: str, back: int, **changes: Any) -> list[Any]:
    """Return the loads with one day of one source changed, or without it if `gone`."""
    day = TODAY - timedelta(days=back)
    is_gone = changes.pop("gone", False)
    return [
        replace(load, **changes) if (load.source, load.day) == (source, day) else load
        for load in loads
        if not (is_gone and (load.source, load.day) == (source, day))
    ]


def seen(loads: Iterable[ledger.Load], **more: Any) -> HealthData:
    """Return the data that the views compute from a ledger."""
    rows = [
        Load(**{name: load.values()[name] for name in Load.__struct_fields__}) for load in loads
    ]
    names = dict.fromkeys(row.source for row in rows)
    sources = [_source(name, [row for row in rows if row.source == name]) for name in names]
    whole = HealthData(
        loads=rows, sources=sources, parked=[], incidents=[], open_count=0, undelivered=[]
    )
    return msgspec.structs.replace(whole, **{"open_count": len(more.get("incidents", [])), **more})


def opened(incident: Incident, **more: Any) -> OpenIncident:
    """Return an incident that has been open for an hour."""
    return OpenIncident(incident, 7, NOW - timedelta(hours=1), **more)


def health(found: HealthData, now: datetime = NOW, **settings: Any) -> Health:
    return compose(found, LINEAGE, RunSettings(**settings), "test", now)


def tile(found: Health, name: str) -> Tile:
    [one] = [tile for tile in found.tiles if tile.name == name]
    return one


def _source(name: str, rows: list[Load]) -> SourceState:
    loaded = [row for row in rows if row.state == "loaded"]
    current = [row for row in rows if row.is_current]
    waiting = [row for row in current if row.published_at is None]
    return SourceState(
        source=name,
        first_day=min(row.day for row in rows),
        loaded_at=max((row.loaded_at for row in loaded), default=None),
        published_at=max((row.published_at for row in rows if row.published_at), default=None),
        published_day=max((row.day for row in current if row.published_at), default=None),
        waiting=len(waiting),
        waiting_from=min((row.day for row in waiting), default=None),
        waiting_to=max((row.day for row in waiting), default=None),
        waiting_since=min((row.loaded_at for row in waiting), default=None),
    )
