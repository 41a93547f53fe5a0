"""How fresh each mart is. Invariant: as fresh as the stalest of its sources that ever landed."""

from datetime import UTC, datetime

from scripts.health.facts import Mart, State
from scripts.health.lineage import Lineage
from scripts.health.look import Seen, SourceState
from scripts.rules import is_stale
from scripts.settings import RunSettings

_WORDS = {"red": "stale", "amber": "waiting", "grey": "never published", "green": "fresh"}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def freshness(seen: Seen, lineage: Lineage, settings: RunSettings, now: datetime) -> list[Mart]:
    """Return each mart, the stalest first."""
    sources = {source.source: source for source in seen.sources}
    marts = []
    for name, read in lineage.items():
        known = [sources[source] for source in sorted(read & sources.keys())]
        stalest = min(known, key=lambda one: one.published_at or _LONG_AGO, default=None)
        if stalest is None or stalest.published_at is None:
            marts.append(_mart(name, State.GREY, stalest))
        elif is_stale(stalest.published_at, settings, now):
            marts.append(_mart(name, State.RED, stalest))
        else:
            is_waiting = any(one.waiting for one in known)
            marts.append(_mart(name, State.AMBER if is_waiting else State.GREEN, stalest))
    order = [*State]
    return sorted(
        marts,
        key=lambda mart: (-order.index(mart.state), mart.published_at or _LONG_AGO, mart.name),
    )


def _mart(name: str, state: State, stalest: SourceState | None) -> Mart:
    return Mart(
        name,
        state,
        _WORDS[state],
        stalest.published_at if stalest else None,
        stalest.published_day if stalest else None,
        stalest.source if stalest else None,
    )
