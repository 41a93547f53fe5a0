"""Detect problems in what dbt has built. Invariant: read as transformer, who owns these tables.

A role can replace what it owns by code, which runs with the rights of the role that reads it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from scripts.alerts.causes import Findings
from scripts.alerts.incident import Incident, Kind, no_answer
from scripts.alerts.incident_table import Connection
from scripts.errors import UnavailableError
from scripts.settings import RunSettings
from scripts.warehouse.connection import connect, plain_errors

_SEEN_IN_BUILD = frozenset({Kind.VOLUME_UNUSUAL, Kind.MART_UNOWNED})


def read_build_state(dbt_dsn: str, settings: RunSettings, now: datetime) -> Findings:
    """Return the problems in the tables of dbt. `dbt_dsn` is of role transformer."""
    try:
        with connect(dbt_dsn) as connection, plain_errors():
            return Findings([*_unusual(connection, settings, now), *_unowned(connection)])
    except UnavailableError as error:
        return Findings([no_answer("warehouse", error)], _SEEN_IN_BUILD)


def _unusual(connection: Connection, settings: RunSettings, now: datetime) -> Iterator[Incident]:
    """Compare with the weeks before, as the dbt test ``volume_is_usual`` does."""
    if connection.execute("select to_regclass('build.fct_daily_loads')").fetchone() == (None,):
        return  # dbt has never run
    rows = connection.execute(
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


def _unowned(connection: Connection) -> Iterator[Incident]:
    """Read what the last publish noted."""
    if connection.execute("select to_regclass('build.unowned_marts')").fetchone() == (None,):
        return
    for (name,) in connection.execute("select name from build.unowned_marts order by name"):
        yield Incident.new(Kind.MART_UNOWNED, f"marts.{name}")
