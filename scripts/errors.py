"""Errors named by what the caller can do about them; a message says what, where, what next."""

from collections.abc import Sequence
from datetime import date


class PipelineError(Exception):
    """Base of every error this project raises on purpose; its text is one line, free of secrets."""


class ConfigurationError(PipelineError):
    """A setting or connection is missing or wrong: mend it; retrying changes nothing."""


class RefusedError(PipelineError):
    """The data breaks its contract: the same input is refused again, so look at its source."""


class NotLandedError(RefusedError):
    """A day was named of which nothing has landed: ingest it, or wait for it; `days` has them."""

    def __init__(self, days: Sequence[date]) -> None:
        self.days = days
        super().__init__(f"nothing has landed for {', '.join(map(str, days))}")


class UnavailableError(PipelineError):
    """The other side did not answer as it should right now: the same call may succeed later."""
