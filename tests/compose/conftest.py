"""One deployment for the tests of a module."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.compose.engine import Added, Deployed, NoEngineError, deployed, prepare_engine

_HOSTILE = Path(__file__).with_name("hostile.py")


@cache
def _without_engine() -> str:
    """Return the reason if no container engine can be used, else nothing."""
    try:
        prepare_engine()
    except NoEngineError as error:
        if os.environ.get("PIPELINE_REQUIRE_ENGINE"):
            raise
        return str(error)
    return ""


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """What the README's commands start, with the profiles that the module names, and its ADDED."""
    if reason := _without_engine():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)  # the containers' user reads what is mounted
    added = getattr(request.module, "ADDED", Added())
    with deployed(folder, request.module.PROFILES, added, more_dags=_HOSTILE) as found:
        yield found
