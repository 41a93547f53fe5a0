"""What must be true after every step, in any order and after any kill."""

from datetime import date, datetime
from typing import Any

import psycopg

from tests.sim.bucket import Bucket, Version, number_at
from tests.sim.contents import Rows, rows_of, without_erased

_STATE = """
    select
        (
            select jsonb_agg(jsonb_build_object(
                'load_id', load_id, 'key', key, 'version_id', version_id, 'received', received,
                'loaded', loaded, 'rejected', rejected, 'is_erased', sha256 = 'erased',
                'is_published', published_at is not null, 'day', day,
                'rejects', (select count(*) from ops.rejects where rejects.load_id = loads.load_id),
                'rows', (
                    select jsonb_agg(jsonb_build_array(position, payload) order by position)
                    from (
                        select load_id, position, coalesce(extra, '{}') || jsonb_build_object(
                            'userId', user_id, 'id', id, 'title', title, 'body', body
                        ) as payload
                        from raw.posts_rows
                    ) as found where found.load_id = loads.load_id
                )
            ))
            from ops.loads as loads where source = 'posts' and is_current
        ),
        (
            select jsonb_object_agg(key, last_modified) from (
                select distinct on (key) key, last_modified, state from ops.loads
                where source = 'posts' order by key, load_id desc
            ) as latest
            where state = 'parked'
        ),
        (select jsonb_agg(f order by day, position) from marts.fct_whole as f),
        (select jsonb_agg(f order by day, position) from marts.fct_by_day as f)
"""


class ViolationError(AssertionError):
    """Something that must never be true was true after a step."""


def demand(is_so: bool, text: str) -> None:
    """Raise ViolationError unless a promise is kept."""
    if not is_so:
        raise ViolationError(text)


class Oracle:
    """Compares the warehouse with the bucket's history, and remembers what was shown.

    Attributes:
        at_lock: by key, the last change of the object when its day was locked last.
        tested: what each build that passed its tests would show.
        may_go: the keys of days that may have no current load any more.
    """

    def __init__(self, bucket: Bucket, monitor: psycopg.Connection[Any]) -> None:
        self.bucket = bucket
        self.at_lock: dict[str, int] = {}
        self.tested: list[list[Any]] = [[]]
        self.may_go: set[str] = set()
        self._monitor = monitor
        self._newest: dict[str, int] = {}
        self._shown = 0  # the number of the build that the marts show
        self._checked: Any = None
        self._has_missed = False

    def check(self) -> None:
        """Raise ViolationError if the present state breaks a promise."""
        snapshot = self._monitor.execute("select pg_current_snapshot()").fetchone()
        if snapshot == self._checked:  # so nothing was committed
            return
        try:
            [state] = self._monitor.execute(_STATE).fetchall()
        except psycopg.errors.LockNotAvailable:  # nobody can look now
            self._has_missed = True
            return
        self._checked = snapshot
        parked = state[1] or {}
        loads, whole, by_day = ([*(part or ())] for part in (state[0], *state[2:]))
        demand(len({load["day"] for load in loads}) == len(loads), "two loads of a day are current")
        for load in loads:
            self._check_load(load)
        gone = self._newest.keys() - {load["key"] for load in loads} - self.may_go
        demand(not gone, "a day has no content any more")
        for key, moment in parked.items():
            number = number_at(datetime.fromisoformat(moment))
            is_fresh = number >= self._newest.get(key, 0)
            demand(is_fresh, "an object is parked, but a newer version was loaded")
        demand(whole == by_day, "the marts show two states")
        shown = [
            [date.fromisoformat(row["day"]), row["position"], row["post_id"], row["title"]]
            for row in whole
        ]
        later = [n for n in range(self._shown, len(self.tested)) if self.tested[n] == shown]
        demand(later != [], "the marts show what was not tested, or an older build than before")
        self._shown = later[0]
        self._check_marts(loads, whole)
        self._has_missed = False

    def _check_load(self, load: dict[str, Any]) -> None:
        version, rows = self.bucket.history[int(load["version_id"])], load["rows"] or []
        expected = _rows(version)
        demand(expected is not None, "an object that must be parked is current")
        if load["is_erased"]:
            expected = without_erased(expected or [])
        demand(rows == expected, f"the rows are not those of version {version.number}")
        demand(load["received"] == load["loaded"] + load["rejected"], "a record is not counted")
        demand(load["loaded"] == len(rows), "loaded is not the number of rows")
        demand(load["rejected"] == load["rejects"], "rejected is not the number of rejects")
        newest = self._newest.get(load["key"], 0)
        demand(version.number >= newest, "an older version replaced a newer one")
        if version.number > newest and not self._has_missed:
            is_fresh = version.number >= self.at_lock.get(load["key"], 0)
            demand(is_fresh, "a load was outdated at its lock")
        self._newest[load["key"]] = version.number

    def _check_marts(self, loads: list[dict[str, Any]], shown: list[dict[str, Any]]) -> None:
        by_day: dict[str, list[Any]] = {}
        for row in shown:
            by_day.setdefault(row["day"], []).append([row["position"], row["post_id"]])
        for load in loads:
            if load["is_published"] and not load["is_erased"]:
                rows = [[position, record["id"]] for position, record in load["rows"] or []]
                demand(rows == by_day.get(load["day"], []), "a published load is not in the marts")


def _rows(version: Version) -> Rows | None:
    return None if version.body is None else rows_of(version.body, version.promise)
