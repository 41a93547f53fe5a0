"""One look at the warehouse, one verdict, for a terminal and for a page.

Invariant: `read_health` is the only way to it, so that those who show it never disagree.
"""

from datetime import datetime

from scripts.health.compose import compose
from scripts.health.facts import Health
from scripts.health.lineage import lineage
from scripts.health.look import look
from scripts.settings import Deployment, RunSettings


def read_health(dsn: str, settings: RunSettings, place: Deployment, now: datetime) -> Health:
    """Return the health of the pipeline behind a warehouse.

    Args:
        dsn: the warehouse, as reader or loader.
        settings: deadlines and thresholds.
        place: this installation.
        now: time-zone aware.

    Raises:
        UnavailableError: the warehouse does not answer in time.
        ConfigurationError: the warehouse's views or dbt's manifest are missing.
    """
    return compose(look(dsn, now), lineage(), settings, place.environment, now)
