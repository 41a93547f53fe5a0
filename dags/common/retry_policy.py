"""When a dbt task is retried. Invariant: what dbt has decided about the data is final.

dbt wraps every fault into one exception, of which only the text remains. So this lists what is
decided: dbt's own verdicts, what PostgreSQL says of SQL, rights and values, and a server that is
not trusted. Everything else is retried: a connection that breaks off, a failover, a deadlock, a
timeout, a pooler's message, or a message in another language.
"""

from __future__ import annotations

import re
from typing import Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from scripts.errors import UNTRUSTED, ConfigurationError, UnavailableError

_VERDICTS = (
    r"Got \d+ results?, configured to fail|(Compilation|Parsing|Contract|Validation) Error"
    r"|nothing published, run dbt build|has no primary key"
)
_STATEMENTS = (  # SQLSTATE classes 22, 23 and 42
    r"syntax error|does not exist|already exists|violates|null value in column|division by zero"
    r"|invalid (input|regular|byte)|out of range|permission denied|must be owner|cannot (be )?cast"
    r"|is ambiguous|GROUP BY|cannot affect row a second time|could not create unique index"
    r"|value too long|specified more than once|but expression is of type"
)
_DECIDED = re.compile(f"{_VERDICTS}|{_STATEMENTS}|{UNTRUSTED.pattern}")


class WarehousePolicy(RetryPolicy):
    """Fail immediately if dbt or PostgreSQL has decided. Retry everything else."""

    def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> RetryDecision:
        """Decide by dbt's message. The task limits the number of retries."""
        if isinstance(exception, ConfigurationError):
            return RetryDecision.fail(reason="a setting must change first")
        if isinstance(exception, UnavailableError):  # no lock: a manual dbt holds it
            return RetryDecision.retry(
                reason="the warehouse was away, or another dbt holds its lock"
            )
        if _DECIDED.search(str(exception)):
            return RetryDecision.fail(reason="dbt would fail again")
        return RetryDecision.retry(reason="nothing is decided: the fault may pass")
