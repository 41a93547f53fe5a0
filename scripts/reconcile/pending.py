"""Pending work, computed from state (level-triggered). Invariant: an event decides nothing.

Landed but not loaded: a key whose listing (ETag, last-modified, size) differs from that of its
current load and from the one that was parked last.
Loaded but not published: a current load that is not in the marts.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec
from psycopg.rows import dict_row

from scripts.errors import NotLandedError
from scripts.landing.keys import FIRST_DAY, parse_day, parse_raw_key, raw_key, raw_prefix, today
from scripts.landing.store import ObjectInfo, Store
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect
from scripts.warehouse.ledger import last_published_at
from sources import SOURCES, Source


class Work(msgspec.Struct, frozen=True):
    """The work of one run: objects to load, as (source name, day), and loads not yet published.

    `is_reload` means that the days were named: they are loaded although nothing changed.
    """

    objects: list[tuple[str, date]]
    unpublished: int = 0
    is_reload: bool = False

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.objects or self.unpublished)

    def facts(self) -> dict[str, Any]:
        """Return the work as plain JSON, small enough for an XCom."""
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Work":
        """Read the result of `facts`."""
        return msgspec.convert(facts, cls)


def plan_work(
    store: Store,
    dsn: str,
    settings: RunSettings,
    days: Sequence[str] = (),
    *,
    is_full_sweep: bool = False,
) -> Work:
    """Return the pending work or, if days are named, these days of every source that has landed.

    Compares the listing of the landing zone with the ledger, oldest day first: at most
    `settings.batch_objects` objects of the last `settings.lookback_days`, or of all days in a full
    sweep. Parked objects wait until their listing changes.

    Raises:
        UnavailableError: the bucket or the warehouse does not answer.
        NotLandedError: nothing has landed for a named day.
        InvalidInputError: a named day is not a day.
    """
    if days:
        return Work(_named(store, sorted({parse_day(day) for day in days})), is_reload=True)
    lookback = today() - timedelta(days=settings.lookback_days)
    survey = survey_landing(store, dsn, FIRST_DAY if is_full_sweep else lookback)
    return Work(survey.waiting[: settings.batch_objects], survey.unpublished)


def work_left(store: Store, dsn: str, settings: RunSettings, done: Work) -> Work:
    """Return pending work that was not part of a run: it exceeded the batch or landed later.

    Objects that the run tried without success are left out, or runs would follow each other for
    ever.

    Raises:
        UnavailableError: the bucket or the warehouse does not answer.
    """
    survey = survey_landing(store, dsn, today() - timedelta(days=settings.lookback_days))
    left = [found for found in survey.waiting if found not in set(done.objects)]
    return Work(left[: settings.batch_objects], survey.unpublished)


class LandingSurvey(NamedTuple):
    """What one listing and the ledger show since a day, as (source name, day).

    `waiting` has landed but is not loaded, oldest day first. `deleted` has a current load or a
    parked one, but no object any more. `loaded` has been loaded once: of these days some may be
    deleted or withdrawn. `unknown` are keys that are not a day of a declared source.
    """

    landed: set[tuple[str, date]]
    waiting: list[tuple[str, date]]
    deleted: list[tuple[str, date]]
    loaded: set[tuple[str, date]]
    unpublished: int
    unknown: list[str]


def survey_landing(store: Store, dsn: str, since: date) -> LandingSurvey:
    """List the landing zone once and compare it with the ledger. Raises UnavailableError."""
    known, loaded, unpublished = _ledger(dsn, since)
    survey = LandingSurvey(set(), [], [], loaded, unpublished, [])
    for source in SOURCES.values():
        for info in store.list(raw_prefix(source.name), start_after=_before(source, since)):
            parsed = parse_raw_key(info.key)
            if parsed is None:
                survey.unknown.append(info.key)
                continue
            survey.landed.add(parsed)
            if info not in known:
                survey.waiting.append(parsed)
    survey.waiting.sort(key=lambda found: found[::-1])
    expected = {found for info in known if (found := parse_raw_key(info.key))} - survey.landed
    survey.deleted.extend(sorted(found for found in expected if found[0] in SOURCES))
    return survey


def last_published(dsn: str) -> dict[str, Any]:
    """Return days, rows, rejects and seconds since the first load of the latest publication."""
    query = """
        select array_agg(distinct day::text order by day::text) as days,
            sum(loaded)::bigint as rows, sum(rejected)::bigint as rejects,
            extract(epoch from max(published_at) - min(loaded_at))::float8 as seconds
        from ops.loads
        where published_at = %s
    """
    with connect(dsn) as connection:
        published_at = last_published_at(connection)
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(query, [published_at]).fetchone() or {}


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


def _ledger(dsn: str, since: date) -> tuple[set[ObjectInfo], set[tuple[str, date]], int]:
    """Return the listings that need no load, the days ever loaded, and the unpublished loads."""
    with connect(dsn) as connection:
        rows = connection.execute(
            """
            select key, etag, bytes, last_modified from ops.loads as known
            where day >= %s and (is_current or state = 'parked' and not exists (
                select from ops.loads as newer
                where newer.key = known.key and newer.load_id > known.load_id
            ))
            """,
            [since],
        )
        known = {ObjectInfo(*row) for row in rows}
        loaded = connection.execute(
            "select distinct source, day from ops.loads where day >= %s and state = 'loaded'",
            [since],
        ).fetchall()
        counted = connection.execute(
            "select count(*) from ops.loads where is_current and published_at is null"
        ).fetchone()
    return known, set(loaded), counted[0] if counted else 0
