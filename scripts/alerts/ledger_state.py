"""Detect problems in the ledger and the landing zone. Invariant: read-only, no record content."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby

from scripts.alerts.causes import Findings
from scripts.alerts.incident import Incident, Kind, no_answer
from scripts.alerts.incident_table import Connection
from scripts.errors import UnavailableError
from scripts.landing.keys import raw_key
from scripts.reconcile.freshness import deadline_of, has_many_rejects, is_stale, overdue_before
from scripts.reconcile.watch import PipelineState
from scripts.settings import RunSettings
from scripts.warehouse.ledger import last_published_at

WatchResult = PipelineState | UnavailableError  # of `scripts.reconcile.watch`

_LONG_WAIT = timedelta(minutes=10)
_SEEN_IN_LANDING = frozenset({Kind.DAY_LATE, Kind.OBJECT_PARKED, Kind.OBJECT_DELETED})


def read_ledger_state(
    connection: Connection, state: WatchResult, settings: RunSettings, now: datetime
) -> Findings:
    """Return the problems in the ledger and in the landing zone."""
    incidents = [
        *_overdue(connection, settings, now),
        *_stale(connection, settings, now),
        *_rejects(connection, settings),
        *_held_locks(connection),
    ]
    if isinstance(state, UnavailableError):
        incidents.append(no_answer("landing zone", state))
        return Findings(incidents, unknown=_SEEN_IN_LANDING)
    return Findings([*incidents, *_late_and_parked(state, settings), *_deleted(state)])


def _late_and_parked(state: PipelineState, settings: RunSettings) -> Iterator[Incident]:
    for name in state.late:
        source, day = _parsed(name)
        due = deadline_of(source, day, settings)
        facts = {"Object": raw_key(source, day), "Due": f"{due:%Y-%m-%d %H:%M} UTC"}
        yield Incident.new(Kind.DAY_LATE, source, day, facts)
    for name, reason in state.parked.items():
        source, day = _parsed(name)
        facts = {"Object": raw_key(source, day), "Reason": reason}
        yield Incident.new(Kind.OBJECT_PARKED, source, day, facts)


def _deleted(state: PipelineState) -> Iterator[Incident]:
    """One incident for each source: a bucket that lost its objects has one cause."""
    for source, names in groupby(state.deleted, key=lambda name: name.split("/")[0]):
        days = [name.split("/")[1] for name in names]
        facts = {"Objects": f"{len(days)}, from {days[0]} to {days[-1]}"}
        yield Incident.new(Kind.OBJECT_DELETED, source, facts=facts)


def _parsed(name: str) -> tuple[str, date]:
    source, day = name.split("/")
    return source, date.fromisoformat(day)


def _overdue(connection: Connection, settings: RunSettings, now: datetime) -> Iterator[Incident]:
    rows = connection.execute(
        """
        select count(*), min(day), max(day), min(loaded_at) from ops.loads
        where is_current and published_at is null and loaded_at < %s
        having count(*) > 0
        """,
        [overdue_before(settings, now)],
    )
    for count, first, last, since in rows:
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
        if has_many_rejects(received, rejected, settings):
            share = f"{rejected} of {received} ({rejected / received:.1%})"
            facts = {"Rejected": share, "Load": str(load_id)}
            yield Incident.new(Kind.MANY_REJECTS, source, day, facts)


def _held_locks(connection: Connection) -> Iterator[Incident]:
    """Report who holds up another role for long. A manual build may hold the lock of dbt."""
    rows = connection.execute(
        """
        select holder.usename, string_agg(distinct holder.pid::text, ', '),
            string_agg(distinct waiting.usename, ', '), min(locks.waitstart)
        from pg_locks as locks
        inner join pg_stat_activity as waiting on waiting.pid = locks.pid
        cross join unnest(pg_blocking_pids(locks.pid)) as blocking (pid)
        inner join pg_stat_activity as holder on holder.pid = blocking.pid
        where locks.waitstart < clock_timestamp() - %s and not locks.granted
            and waiting.datname = current_database()
            and locks.relation is distinct from to_regclass('ops.dbt_lock')
        group by holder.usename
        order by holder.usename
        """,
        [_LONG_WAIT],
    )
    for role, sessions, waiting, since in rows:
        facts = {"Session": sessions, "Waits": waiting, "Since": f"{since:%F %H:%M} UTC"}
        yield Incident.new(Kind.LOCK_HELD, role or "(not known)", facts=facts)
