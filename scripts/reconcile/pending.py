"""What is to be done, computed from state. Invariant: an event never decides what is loaded.

Landed and not loaded: a key whose listing (ETag, last-modified, size) differs from that of its
current load, and is not the one that was parked last.
Loaded and not published: a current load that has not reached the marts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from psycopg.rows import dict_row

from scripts.errors import NotLandedError
from scripts.landing.keys import FIRST_DAY, parse_day, parse_raw_key, raw_key, raw_prefix, today
from scripts.landing.store import ObjectInfo, Store
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect
from scripts.warehouse.ledger import last_published_at
from sources import SOURCES, Source

# A listing has no version ids: these three are all that a listing tells of an object's content.
_Listing = tuple[str, object, int]


@dataclass(frozen=True)
class Work:
    """The work of one run: objects to load, as (source name, day), and loads not yet published.

    `is_reload` says that somebody named the days: they are loaded even where nothing changed.
    """

    objects: list[tuple[str, date]]
    unpublished: int = 0
    is_reload: bool = False

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.objects or self.unpublished)

    def facts(self) -> dict[str, Any]:
        """Return the work as plain JSON, small enough to hand from task to task."""
        return {
            "objects": [[source, day.isoformat()] for source, day in self.objects],
            "unpublished": self.unpublished,
            "is_reload": self.is_reload,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Work":
        """Read back what `facts` gave."""
        objects = [(source, date.fromisoformat(day)) for source, day in facts["objects"]]
        return cls(objects, facts["unpublished"], facts["is_reload"])


def plan_work(
    store: Store,
    dsn: str,
    settings: RunSettings,
    days: Sequence[str] = (),
    *,
    is_full_sweep: bool = False,
) -> Work:
    """Return what is pending, or, where days are named, those days of every source that landed.

    Compares the landing zone's listing with the ledger, oldest day first: at most
    `settings.batch_objects` objects, looking back `settings.lookback_days`, or over all days in a
    full sweep; parked objects wait until their listing changes.

    Raises:
        UnavailableError: the bucket or the warehouse does not answer.
        NotLandedError: nothing has landed for a named day.
        InvalidInputError: a named day is no day.
    """
    if days:
        return Work(_named(store, sorted({parse_day(day) for day in days})), is_reload=True)
    lookback = today() - timedelta(days=settings.lookback_days)
    survey = survey_landing(store, dsn, FIRST_DAY if is_full_sweep else lookback)
    return Work(survey.waiting[: settings.batch_objects], survey.unpublished)


def work_left(store: Store, dsn: str, settings: RunSettings, done: Work) -> Work:
    """Return what is pending and was no part of a run's work: it exceeded it, or came meanwhile.

    What a run has tried and not achieved is left out, so that no run calls for another in vain.

    Raises:
        UnavailableError: the bucket or the warehouse does not answer.
    """
    survey = survey_landing(store, dsn, today() - timedelta(days=settings.lookback_days))
    left = [found for found in survey.waiting if found not in set(done.objects)]
    return Work(left[: settings.batch_objects], survey.unpublished)


@dataclass(frozen=True)
class LandingSurvey:
    """What one listing and the ledger say, since a day; (source name, day) throughout.

    `waiting` is landed and not loaded, oldest day first; `foreign` are keys that are no day of a
    declared source, and are left alone.
    """

    landed: set[tuple[str, date]]
    waiting: list[tuple[str, date]]
    unpublished: int
    foreign: list[str]


def survey_landing(store: Store, dsn: str, since: date) -> LandingSurvey:
    """List the landing zone once and hold it against the ledger. Raises UnavailableError."""
    known, unpublished = _ledger(dsn, since)
    landed, waiting, foreign = set(), [], []
    for source in SOURCES.values():
        for listed in store.list(raw_prefix(source.name), start_after=_before(source, since)):
            parsed = parse_raw_key(listed.key)
            if parsed is None:
                foreign.append(listed.key)
                continue
            landed.add(parsed)
            if _listing(listed) not in known[listed.key]:
                waiting.append(parsed)
    return LandingSurvey(
        landed, sorted(waiting, key=lambda found: found[::-1]), unpublished, foreign
    )


def last_published(dsn: str) -> dict[str, Any]:
    """Return what the latest publication brought: days, rows, rejects, seconds since it loaded."""
    with connect(dsn) as connection:
        row = (
            connection.cursor(row_factory=dict_row)
            .execute(
                """
            select array_agg(distinct day::text order by day::text) as days,
                sum(loaded)::bigint as rows, sum(rejected)::bigint as rejects,
                extract(epoch from max(published_at) - min(loaded_at))::float8 as seconds
            from ops.loads
            where published_at = %s
            """,
                [last_published_at(connection)],
            )
            .fetchone()
        )
    return row or {}


def _named(store: Store, days: Sequence[date]) -> list[tuple[str, date]]:
    objects = [
        (source.name, day)
        for day in days
        for source in SOURCES.values()
        if store.head(raw_key(source.name, day))
    ]
    missing = set(days) - {day for _, day in objects}
    if missing:
        raise NotLandedError(sorted(missing))
    return objects


def _before(source: Source, since: date) -> str:
    """Return the key after which a listing begins with `since`."""
    return "" if since == FIRST_DAY else raw_key(source.name, since - timedelta(days=1))


def _ledger(dsn: str, since: date) -> tuple[dict[str, set[_Listing]], int]:
    """Return the listings that are dealt with, by key, and how many loads are unpublished."""
    known: dict[str, set[_Listing]] = defaultdict(set)
    with connect(dsn) as connection:
        rows = connection.execute(
            """
            select key, etag, last_modified, bytes from ops.loads as known
            where day >= %s and (is_current or state = 'parked' and not exists (
                select from ops.loads as newer
                where newer.key = known.key and newer.load_id > known.load_id
            ))
            """,
            [since],
        )
        for key, etag, last_modified, size in rows:
            known[key].add((etag, last_modified, size))
        counted = connection.execute(
            "select count(*) from ops.loads where is_current and published_at is null"
        ).fetchone()
    return known, counted[0] if counted else 0


def _listing(listed: ObjectInfo) -> _Listing:
    return listed.etag, listed.last_modified, listed.size
