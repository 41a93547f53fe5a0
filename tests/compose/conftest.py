"""One deployment for the tests of a module."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.compose import report
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
def engine() -> None:
    """Skip, with the reason, if no container engine can be used."""
    if reason := _without_engine():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def added(request: pytest.FixtureRequest) -> Added:
    """Return what the module adds to the deployment, its ADDED."""
    found: Added = getattr(request.module, "ADDED", Added())
    return found


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest, added: Added, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """What the README's commands start, with the PROFILES that the module names."""
    request.getfixturevalue("engine")
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)  # the containers' user reads what is mounted
    with deployed(folder, request.module.PROFILES, added, more_dags=_HOSTILE) as found:
        report.add(
            f"profiles {request.module.PROFILES or 'none'}: healthy in {found.seconds:.0f} s"
        )
        yield found
        report.add_containers(found)
        report.add_image()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if report.LINES:
        terminalreporter.section("measured on the container engine")
        terminalreporter.write_line("\n".join(dict.fromkeys(report.LINES)))
