"""What is late or stuck, computed from state alone. Invariant: it changes nothing.

It needs one listing per source and a few indexed queries, so it can run every few minutes.
"""

from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from scripts.landing.keys import printable
from scripts.landing.store import Store
from scripts.reconcile.freshness import late_days
from scripts.reconcile.pending import survey_landing
from scripts.reconcile.unknown_objects import (
    MOST_NAMES,
    find_impossible_days,
    find_undeclared,
)
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect, plain_errors
from scripts.warehouse.ledger import last_published_at


@dataclass(frozen=True)
class PipelineState:
    """The state of the pipeline at one moment. Days are ``<source>/<YYYY-MM-DD>``.

    Attributes:
        late: days that are due but have not landed.
        waiting: days that have landed but are not loaded.
        deleted: days that are in the ledger, but have no object any more.
        unpublished: number of current loads that are not in the marts.
        parked: days whose object is parked and has not changed since, with the reason.
        unknown: objects in the landing zone that are not a day of a declared source.
        marts_age_seconds: time since the last publication. None before the first.
    """

    late: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unpublished: int = 0
    parked: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    marts_age_seconds: float | None = None

    @property
    def is_work_pending(self) -> bool:
        """Return whether a transform would find work."""
        return bool(self.waiting or self.unpublished)

    def facts(self) -> dict[str, Any]:
        """Return it as plain JSON, small enough for an XCom: of a list its beginning and length."""
        facts = asdict(self)
        for name, found in tuple(facts.items()):
            if isinstance(found, list | dict):
                kind = type(found)
                first = found.items() if isinstance(found, dict) else found
                facts[name] = kind(islice(first, MOST_NAMES))
                facts[f"{name}_count"] = len(found)
        return facts


def watch(store: Store, dsn: str, settings: RunSettings, now: datetime) -> PipelineState:
    """Compare the landing zone with the ledger at a moment, `now` (time-zone aware).

    Raises:
        UnavailableError: the bucket or the warehouse does not answer.
    """
    today = now.astimezone(UTC).date()
    with plain_errors():
        survey = survey_landing(store, dsn, today - timedelta(days=settings.lookback_days))
        parked, first_days, published_at = _ledger(dsn)
    unknown = [*survey.unknown, *find_impossible_days(store), *find_undeclared(store)]
    landed = survey.landed | survey.loaded
    return PipelineState(
        late=[_name(*day) for day in late_days(landed, first_days, settings, now)],
        waiting=[_name(*day) for day in survey.waiting],
        deleted=[_name(*day) for day in survey.deleted],
        unpublished=survey.unpublished,
        parked={_name(source, day): reason for source, day, reason in parked},
        unknown=list(dict.fromkeys(map(printable, unknown))),
        marts_age_seconds=(now - published_at).total_seconds() if published_at else None,
    )


def _ledger(dsn: str) -> tuple[list[tuple[str, date, str]], dict[str, date], datetime | None]:
    """Return the parked days with their reasons, the first days, and the last publication."""
    with connect(dsn) as connection:
        parked = connection.execute(
            "select source, day, reason from ops.v_health_parked order by source, day"
        ).fetchall()
        first = connection.execute("select source, first_day from ops.v_health_sources").fetchall()
        return parked, dict(first), last_published_at(connection)


def _name(source: str, day: date) -> str:
    return f"{source}/{day.isoformat()}"
