"""Insert a ledger for each state that the health page can show, without a bucket or dbt.

`seed` first empties the ledger and the incidents. Today has landed at any hour, like all earlier
days.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import psycopg

from scripts.alerts.incident import Incident, Kind
from scripts.landing.keys import raw_key

State = Literal["green", "amber", "red", "grey"]
ROWS = {"posts": 100, "comments": 500, "users": 10, "earthquakes": 40}
DAYS = 65
RUN = "asset_triggered__2026-01-31T00:02:11+00:00_abc"
_INSERT = """
    insert into ops.loads (load_id, source, day, key, etag, last_modified, bytes, sha256, state,
        reason, received, loaded, rejected, seconds, run_id, is_current, loaded_at, published_at,
        as_of)
    values (nextval('ops.load_id'), %(source)s, %(day)s, %(key)s, 'e', %(landed_at)s, 1, 'ab',
        %(state)s, %(reason)s, %(received)s, %(loaded)s, %(rejected)s, %(seconds)s, %(run_id)s,
        %(is_current)s, %(loaded_at)s, %(published_at)s, %(as_of)s)
"""


@dataclass(frozen=True)
class Load:
    """One row of the ledger. The default of `loaded_at` is 30 seconds after the landing."""

    source: str
    day: date
    landed_at: datetime
    received: int = 100
    rejected: int = 0
    seconds: float = 0.4
    state: Literal["loaded", "parked"] = "loaded"
    reason: str | None = None
    is_current: bool = True
    loaded_at: datetime | None = None
    published_at: datetime | None = None
    as_of: datetime | None = None

    def values(self) -> dict[str, Any]:
        is_loaded = self.state == "loaded"
        return {
            **vars(self),
            "key": raw_key(self.source, self.day),
            "loaded": self.received - self.rejected if is_loaded else 0,
            "is_current": self.is_current and is_loaded,
            "run_id": RUN,
            "loaded_at": self.loaded_at or self.landed_at + timedelta(seconds=30),
        }


def seed(dsn: str, state: State, now: datetime | None = None) -> None:
    """Set the warehouse to a state. `dsn` belongs to the role loader or to the owner."""
    now = now or datetime.now(UTC)
    with psycopg.connect(dsn) as connection:
        connection.execute("set role loader")
        clear(connection)
        if state == "grey":
            return
        loads = list(history(now))
        if state == "amber":
            loads = list(_reloaded(loads, now))
        if state == "red":
            loads = list(_broken(loads, now))
            for incident in incidents(now):
                open_incident(connection, incident, now - timedelta(hours=3))
        insert(connection, loads)


def clear(connection: psycopg.Connection) -> None:
    """Delete every load and every incident."""
    connection.execute("delete from ops.loads; delete from ops.incidents; delete from ops.silences")


def insert(connection: psycopg.Connection, loads: list[Load]) -> None:
    """Write loads into the ledger, in the order given."""
    connection.cursor().executemany(_INSERT, [load.values() for load in loads])


def open_incident(connection: psycopg.Connection, incident: Incident, since: datetime) -> None:
    """Open an incident without pending deliveries."""
    connection.execute(
        """
        insert into ops.incidents (fingerprint, kind, subject, day, details, opened_at)
        values (%s, %s, %s, %s, %s, %s)
        """,
        [
            incident.fingerprint,
            incident.kind,
            incident.subject,
            incident.day,
            json.dumps({"facts": incident.facts, "links": incident.links}),
            since,
        ],
    )


def history(now: datetime, days: int = DAYS) -> Iterator[Load]:
    """Yield a healthy history up to now: all days published, two days late, a few rejects."""
    today = now.astimezone(UTC).date()
    # Today may have just begun, so everything happens in the first part of the elapsed time.
    since = now - datetime.combine(today, time(), UTC)
    after = min(timedelta(minutes=2), since / 4)
    for back in range(days - 1, -1, -1):
        day = today - timedelta(days=back)
        for number, (source, rows) in enumerate(ROWS.items()):
            is_late = back in {9, 23} and source == "comments"
            wait = timedelta(hours=9 + back / 10) if is_late else after
            landed_at = datetime.combine(day, time(), UTC) + wait
            received = rows + (back * 7 + number * 3) % 11
            yield Load(
                source,
                day,
                landed_at,
                received,
                rejected=2 if source == "comments" and back % 8 == 5 else 0,
                seconds=0.3 + (back % 5) * 0.05 + rows / 2000,
                loaded_at=landed_at + min(timedelta(seconds=12), after / 2),
                published_at=landed_at + min(timedelta(seconds=50 + back % 7 * 5), after),
            )


def incidents(now: datetime) -> list[Incident]:
    """Return two open incidents, as the watch and a callback would open them."""
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    run = "http://localhost:8080/dags/transform_posts/runs/manual"
    return [
        Incident.new(
            Kind.DBT_TEST_FAILED,
            "transform_posts",
            facts={"Test 1": "unique_posts found 3: post_id=7", "Error": "configured to fail"},
            links={"Log": f"{run}/tasks/dbt.fct_posts?try_number=1", "Run": run},
        ),
        Incident.new(Kind.MANY_REJECTS, "comments", yesterday, {"Rejected": "40 of 500 (8.0%)"}),
    ]


def _broken(loads: list[Load], now: datetime) -> Iterator[Load]:
    """Yield the history with a missing day, a parked day and rejects above the budget."""
    today = now.astimezone(UTC).date()
    missing, parked, rejected = (today - timedelta(days=back) for back in (3, 2, 1))
    for load in loads:
        if (load.source, load.day) == ("users", missing):
            continue
        if (load.source, load.day) == ("posts", parked):
            reason = "12 of 100 records break the contract, more than 10 %"
            yield replace(load, state="parked", reason=reason, rejected=12, published_at=None)
        elif (load.source, load.day) == ("comments", rejected):
            yield replace(load, rejected=40)
        else:
            yield load


def _reloaded(loads: list[Load], now: datetime) -> Iterator[Load]:
    """Yield the history with a day that was reloaded minutes ago and is not published yet."""
    again = now.astimezone(UTC).date() - timedelta(days=4)
    for load in loads:
        if (load.source, load.day) == ("posts", again):
            yield replace(load, is_current=False)
            yield replace(load, loaded_at=now - timedelta(minutes=5), published_at=None)
        else:
            yield load
