"""Errors named by recovery. A message says what happened, where, and what to do next."""

import re
from collections.abc import Sequence
from datetime import date

# What libpq says of a server that it does not trust.
UNTRUSTED = re.compile(
    r"certificate verify failed|does not match host name|certificate file \".*\" does not exist"
    r"|does not support SSL, but SSL was required"
)


class PipelineError(Exception):
    """Base of every error that this project raises on purpose: one line, free of secrets."""


class UnavailableError(PipelineError):
    """Another system did not answer as expected. Retry: the same call may succeed later."""


class PermanentError(PipelineError):
    """The same call fails again. Never retry it: the subclass says what must change first."""


class ConfigurationError(PermanentError):
    """A setting, a connection or a migration is missing or wrong. Fix it, then run again."""


class InvalidInputError(PermanentError):
    """A parameter or an argument of a command is wrong. Correct it."""


class InvalidDataError(PermanentError):
    """Data breaks its contract or its format. Fix it at its source, or change the contract."""


class ShiftedListError(InvalidDataError):
    """A list changed while its pages were fetched. Fetch it again from its first page."""


class BuildFailedError(PermanentError):
    """A model, a test or the publish failed. Fix the data or the model, then build again."""


class BrokenInvariantError(PermanentError):
    """What must always be true is not: a defect, or somebody changed the tables by hand."""


def demand(is_so: bool, broken: str) -> None:
    """Raise BrokenInvariantError unless an invariant holds. Use it before a commit."""
    if not is_so:
        raise BrokenInvariantError(
            f"{broken}. Nothing was changed. If nobody changed the tables by hand, this is a defect"
            " of the pipeline: report it with this run's log"
        )


class NotLandedError(InvalidInputError):
    """Nothing has landed for the `days` that were named. Ingest them, or wait for them."""

    def __init__(self, days: Sequence[date]) -> None:
        self.days = days
        super().__init__(f"nothing has landed for {', '.join(map(str, days))}: ingest it first")
