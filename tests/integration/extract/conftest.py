"""The API that the tests of extraction land from."""

from collections.abc import Iterator

import pytest

from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running


@pytest.fixture
def api() -> Iterator[SwitchableServer[ApiSwitches]]:
    with running(stand_in(25, 1)) as server:
        yield server
