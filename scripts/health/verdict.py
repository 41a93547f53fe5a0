"""Computes the verdict from the warehouse data. Invariant: pure. Same data and clock, same verdict.

Causes come from the table of incidents, and from the ledger by the rules of the watch. So the page
also shows causes that the watch has not reported yet. A consequence of an open cause is not shown
as a second cause.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from scripts.alerts.catalog import CATALOG
from scripts.alerts.causes import plan
from scripts.alerts.incident import Incident, Kind
from scripts.health.facts import Health, Mart, Need, State, Tile
from scripts.health.lineage import Lineage, lineage
from scripts.health.queries import HealthData, OpenIncident, SourceState, read_health_data
from scripts.health.series import on_time, plots
from scripts.health.tiles import tiles
from scripts.reconcile.freshness import has_many_rejects, is_stale, late_days, overdue_before
from scripts.settings import Deployment, RunSettings

DAYS = 30
_STATES = {"error": State.RED, "warning": State.AMBER}
_FRESHNESS_WORDS = {"red": "stale", "amber": "waiting", "grey": "never published", "green": "fresh"}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def read_health(dsn: str, settings: RunSettings, place: Deployment, now: datetime) -> Health:
    """Return the health of the pipeline, read from its warehouse.

    Args:
        dsn: the warehouse, as role reader or loader.
        settings: deadlines and thresholds.
        place: this installation.
        now: time-zone aware.

    Raises:
        UnavailableError: the warehouse does not answer in time.
        ConfigurationError: the warehouse's views or dbt's manifest are missing.
    """
    return compose(read_health_data(dsn, now), lineage(), settings, place.environment, now)


def compose(
    data: HealthData, lineage: Lineage, settings: RunSettings, environment: str, now: datetime
) -> Health:
    """Return the health at the time `now`. `lineage` has the sources of each mart."""
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    needs = _needs(data, settings, now)
    waiting = list(_waiting(data, settings, now))
    fresh = freshness(data, lineage, settings, now)
    shown = tiles(data, fresh, needs, settings, now)
    state, reasons = _verdict(data, shown, needs, waiting, fresh)
    return Health(
        state=state,
        word=state.word,
        reasons=reasons,
        as_of=now,
        environment=environment,
        tiles=shown,
        needs=needs,
        needs_more=data.open_count - len(data.incidents),
        waiting=waiting,
        marts=fresh,
        days=days,
        on_time=on_time(data, days, settings, now),
        plots=plots(data, days, settings),
    )


def _verdict(
    data: HealthData, shown: list[Tile], needs: list[Need], waiting: list[str], marts: list[Mart]
) -> tuple[State, list[str]]:
    """Return the worst state and its reasons. Green requires marts that are known to be fresh."""
    reasons = [(need.state, need.title) for need in needs]
    reasons += [(State.AMBER, line) for line in waiting]
    reasons += [
        (mart.state, f"{mart.name} is {mart.word}") for mart in marts if mart.state is State.RED
    ]
    # The other tiles count causes that are already among the reasons.
    reasons += [
        (tile.state, f"{tile.title}: {tile.value}, {tile.note}")
        for tile in shown
        if tile.name in {"last-load", "rows"} and tile.state is State.AMBER
    ]
    if not data.sources:
        reasons.append((State.GREY, "nothing has been loaded yet"))
    elif not marts or any(mart.state is State.GREY for mart in marts):
        reasons.append((State.GREY, "not every mart is known to be fresh"))
    if not reasons:
        return State.GREEN, ["every mart is fresh, and no action is required"]
    reasons.sort(key=lambda reason: list(State).index(reason[0]), reverse=True)
    return reasons[0][0], [text for _, text in reasons]


def _needs(data: HealthData, settings: RunSettings, now: datetime) -> list[Need]:
    """Return every cause: errors first, then the oldest first."""
    opened = {one.incident.fingerprint for one in data.incidents}
    causes = plan(_derived(data, settings, now), data.incidents, observed=()).to_record
    unreported = [OpenIncident(cause) for cause in causes if cause.fingerprint not in opened]
    runs = {
        Incident.new(Kind.OBJECT_PARKED, one.source, one.day).fingerprint: one.run_id
        for one in data.parked
    }
    needs = [_need(one, runs) for one in [*data.incidents, *unreported]]
    needs.sort(key=lambda need: (need.state is not State.RED, need.since or now, need.fingerprint))
    return needs


def _need(opened: OpenIncident, runs: dict[str, str | None]) -> Need:
    incident = opened.incident
    words = CATALOG[incident.kind]
    title = words.title.format(subject=incident.subject)
    return Need(
        fingerprint=incident.fingerprint,
        kind=incident.kind,
        state=_STATES[words.severity],
        title=f"{title} ({incident.day})" if incident.day else title,
        next=words.next,
        subject=incident.subject,
        day=incident.day,
        since=opened.opened_at,
        facts=incident.facts,
        links=incident.links,
        run_id=runs.get(incident.fingerprint),
        silent_until=opened.silent_until,
    )


def _derived(data: HealthData, settings: RunSettings, now: datetime) -> Iterator[Incident]:
    """Yield the incidents that the ledger shows. A day that was never loaded is missing."""
    landed = {(load.source, load.day) for load in data.loads}
    first_days = {source.source: source.first_day for source in data.sources}
    for name, day in late_days(landed, first_days, settings, now):
        yield Incident.new(Kind.DAY_LATE, name, day)
    for parked in data.parked:
        yield Incident.new(Kind.OBJECT_PARKED, parked.source, parked.day, {"Reason": parked.reason})
    for load in data.loads:
        if load.is_current and has_many_rejects(load.received, load.rejected, settings):
            share = load.rejected / load.received
            facts = {"Rejected": f"{load.rejected} of {load.received} ({share:.1%})"}
            yield Incident.new(Kind.MANY_REJECTS, load.source, load.day, facts)
    late = [source for source in data.sources if _is_overdue(source, settings, now)]
    if late:
        facts = {source.source: f"{source.waiting} days, {_span(source)}" for source in late}
        yield Incident.new(Kind.LOAD_UNPUBLISHED, "loads", facts=facts)
    published = [source.published_at for source in data.sources if source.published_at]
    if published and is_stale(max(published), settings, now):
        yield Incident.new(Kind.MARTS_STALE, "marts")


def _waiting(data: HealthData, settings: RunSettings, now: datetime) -> Iterator[str]:
    """Yield pending work that is retried automatically: a warning until its deadline."""
    for source in data.sources:
        if source.waiting_since and not _is_overdue(source, settings, now):
            minutes = (now - source.waiting_since).total_seconds() / 60
            yield (
                f"{source.source}: {source.waiting} loaded but not published, {_span(source)}, "
                f"for {max(minutes, 0):.0f} of {settings.unpublished_minutes:g} minutes"
            )
    for pending in data.undelivered:
        yield (
            f"{pending.channel}: {pending.messages} pending messages after {pending.attempts}"
            " attempts, will be retried"
        )


def _is_overdue(source: SourceState, settings: RunSettings, now: datetime) -> bool:
    since = source.waiting_since
    return since is not None and since < overdue_before(settings, now)


def _span(source: SourceState) -> str:
    if source.waiting_from == source.waiting_to:
        return f"{source.waiting_from}"
    return f"{source.waiting_from} to {source.waiting_to}"


def freshness(
    data: HealthData, lineage: Lineage, settings: RunSettings, now: datetime
) -> list[Mart]:
    """Return every mart, the stalest first."""
    states = {source.source: source for source in data.sources}
    marts = []
    for name, sources in lineage.items():
        landed = [states[source] for source in sorted(sources & states.keys())]
        marts.append(_mart(name, landed, settings, now))
    order = list(State)
    return sorted(
        marts,
        key=lambda mart: (-order.index(mart.state), mart.published_at or _LONG_AGO, mart.name),
    )


def _mart(name: str, sources: list[SourceState], settings: RunSettings, now: datetime) -> Mart:
    stalest = min(sources, key=lambda one: one.published_at or _LONG_AGO, default=None)
    if stalest is None or stalest.published_at is None:
        state = State.GREY
    elif is_stale(stalest.published_at, settings, now):
        state = State.RED
    else:
        state = State.AMBER if any(one.waiting for one in sources) else State.GREEN
    return Mart(
        name,
        state,
        _FRESHNESS_WORDS[state],
        stalest.published_at if stalest else None,
        stalest.published_day if stalest else None,
        stalest.source if stalest else None,
    )
