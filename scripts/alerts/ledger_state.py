"""What ledger and landing zone say is wrong. Invariant: it changes nothing, tells no content."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from scripts.alerts.incident import Incident, Kind
from scripts.alerts.incident_table import Connection
from scripts.landing.keys import raw_key
from scripts.reconcile.freshness import has_many_rejects, is_stale, overdue_before
from scripts.reconcile.watch import PipelineState
from scripts.settings import RunSettings
from scripts.warehouse.ledger import last_published_at

SEEN_BY_WATCH = frozenset({Kind.DAY_LATE, Kind.OBJECT_PARKED})
SEEN_IN_LEDGER = frozenset(
    {Kind.LOAD_UNPUBLISHED, Kind.MARTS_STALE, Kind.MANY_REJECTS, Kind.VOLUME_UNUSUAL}
)


def watched_incidents(seen: PipelineState, settings: RunSettings) -> Iterator[Incident]:
    """Yield an incident a late day and a parked object."""
    for source, day in map(_parsed, seen.late):
        facts = {
            "Object": raw_key(source, day),
            "Due": f"{settings.landing_deadline_hours:g} hours after midnight UTC of the day",
        }
        yield Incident.new(Kind.DAY_LATE, source, day, facts)
    for name, reason in seen.parked.items():
        source, day = _parsed(name)
        facts = {"Object": raw_key(source, day), "Reason": reason}
        yield Incident.new(Kind.OBJECT_PARKED, source, day, facts)


def ledger_incidents(
    connection: Connection, settings: RunSettings, now: datetime
) -> Iterator[Incident]:
    """Yield what the ledger shows: loads not published, stale marts, rejects, unusual volume."""
    yield from _unpublished(connection, settings, now)
    yield from _stale(connection, settings, now)
    yield from _rejects(connection, settings)
    yield from _unusual(connection, settings, now)


def _unpublished(
    connection: Connection, settings: RunSettings, now: datetime
) -> Iterator[Incident]:
    rows = connection.execute(
        """
        select count(*), min(day), max(day), min(loaded_at) from ops.loads
        where is_current and published_at is null and loaded_at < %s
        """,
        [overdue_before(settings, now)],
    )
    for count, first, last, since in rows:
        if count:
            facts = {"Days": f"{count}, from {first} to {last}", "Since": f"{since:%F %H:%M} UTC"}
            yield Incident.new(Kind.LOAD_UNPUBLISHED, "loads", facts=facts)


def _stale(connection: Connection, settings: RunSettings, now: datetime) -> Iterator[Incident]:
    latest = last_published_at(connection)
    if latest and is_stale(latest, settings, now):
        hours = (now - latest).total_seconds() / 3600
        facts = {"Age": f"over {settings.marts_stale_hours:g} hours ({hours:.0f})"}
        yield Incident.new(Kind.MARTS_STALE, "marts", facts=facts)


def _rejects(connection: Connection, settings: RunSettings) -> Iterator[Incident]:
    rows = connection.execute(
        """
        select source, day, load_id, received, rejected from ops.loads
        where is_current and rejected > 0
        order by source, day
        """
    )
    for source, day, load_id, received, rejected in rows:
        if not has_many_rejects(received, rejected, settings):
            continue
        facts = {
            "Rejected": f"{rejected} of {received} ({rejected / received:.1%})",
            "Load": str(load_id),
        }
        yield Incident.new(Kind.MANY_REJECTS, source, day, facts)


def _unusual(connection: Connection, settings: RunSettings, now: datetime) -> Iterator[Incident]:
    """Compare with the weeks before, as the dbt test ``volume_is_usual`` does."""
    known = connection.execute("select to_regclass('build.fct_daily_loads')").fetchone()
    if known is None or known[0] is None:
        return
    rows: Any = connection.execute(
        """
        select source, day, loaded, z_score from build.fct_daily_loads
        where day > %s and abs(z_score) > %s
        order by source, day
        """,
        [now.date() - timedelta(days=settings.late_days), settings.volume_z_score],
    )
    for source, day, loaded, z_score in rows:
        facts = {"Rows": str(loaded), "Deviation": f"{z_score:+.1f} standard deviations"}
        yield Incident.new(Kind.VOLUME_UNUSUAL, source, day, facts)


def _parsed(name: str) -> tuple[str, date]:
    source, day = name.split("/")
    return source, date.fromisoformat(day)
