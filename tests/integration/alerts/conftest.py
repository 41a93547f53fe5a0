"""Fixtures for the tests of the monitor."""

from collections.abc import Iterator

import pytest

from local.switchable import running
from tests.integration.alerts.harness import FakeAirflow


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    found = FakeAirflow()
    with running(found.server):
        yield found
