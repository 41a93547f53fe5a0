"""Fixtures that several packages of the integration tests share."""

from tests.inbox import inbox

__all__ = ["inbox"]
