"""One stand-in API per module, and a client for it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running

Api = SwitchableServer[ApiSwitches]


@pytest.fixture(scope="module")
def server() -> Iterator[Api]:
    with running(stand_in(25, 1)) as server:
        yield server


@pytest.fixture
def api(server: Api) -> Api:
    server.switches = ApiSwitches()
    server.requests.clear()
    return server


def get(api: Api, path: str, **options: Any) -> requests.Response:
    return requests.get(api.url + path, timeout=5, **options)
