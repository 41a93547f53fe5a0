"""The stack of the end-to-end tests, for tests that kill its workers."""

from tests.e2e.conftest import heartbeats, more_dags, stack

__all__ = ["heartbeats", "more_dags", "stack"]
