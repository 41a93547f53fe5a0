"""When a dbt task is retried. Invariant: what dbt has decided about the data is final.

dbt wraps every fault into one exception. Only its text distinguishes a warehouse that was away for
a moment from a test or a model that would fail again.
"""

from __future__ import annotations

import re
from typing import Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from scripts.errors import UnavailableError

# Messages of libpq and PostgreSQL. The lock timeout means that a reader delayed a publish.
_TRANSIENT = re.compile(
    r"connection to server|could not connect|could not translate host name|could not receive data"
    r"|server closed the connection|connection already closed|SSL connection has been closed"
    r"|terminating connection|the database system is (starting up|shutting down|in recovery mode)"
    r"|too many (connections|clients)|remaining connection slots|due to lock timeout"
)
_DECIDED = re.compile(r"Got \d+ results?, configured to fail")


class WarehousePolicy(RetryPolicy):
    """Retry if the warehouse was away. Fail immediately if a model or a test failed."""

    def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
        """Decide by dbt's message. The task limits the number of retries."""
        if isinstance(exception, UnavailableError):  # no lock: a manual dbt holds it
            return RetryDecision.retry(
                reason="the warehouse was away, or another dbt holds its lock"
            )
        message = str(exception)
        if _TRANSIENT.search(message) and not _DECIDED.search(message):
            return RetryDecision.retry(reason="the warehouse was away")
        return RetryDecision.fail(reason="dbt would fail again")
