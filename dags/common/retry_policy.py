"""When a dbt task is tried again. Invariant: what dbt has decided about the data is final.

dbt wraps whatever went wrong into one exception, so its text must tell a warehouse that was away
for a moment from a test or a model that fails, and would fail again.
"""

from __future__ import annotations

import re
from typing import Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from scripts.errors import UnavailableError

# As libpq and PostgreSQL say it. A lock that was not free in time: a reader held up a publish.
_PASSES = re.compile(
    r"connection to server|could not connect|could not translate host name|could not receive data"
    r"|server closed the connection|connection already closed|SSL connection has been closed"
    r"|terminating connection|the database system is (starting up|shutting down|in recovery mode)"
    r"|too many (connections|clients)|remaining connection slots|due to lock timeout"
)
_DECIDED = re.compile(r"Got \d+ results?, configured to fail")


class WarehousePolicy(RetryPolicy):
    """Try again when the warehouse was away; fail at once when a model or a test failed."""

    def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
        """Decide by what dbt said; the number of tries is the task's own."""
        if isinstance(exception, UnavailableError):  # no lock yet: somebody runs dbt by hand
            return RetryDecision.retry(reason="the warehouse was away, or held by another dbt")
        said = str(exception)
        if _PASSES.search(said) and not _DECIDED.search(said):
            return RetryDecision.retry(reason="the warehouse was away")
        return RetryDecision.fail(reason="dbt would fail again")
