"""One browser for all tests in this folder, and one Airflow that only serves pages."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from local.airflow import PROGRAM, components, environment
from local.processes import is_listening
from local.stack import Stack
from local.state import write_state
from tests.chromium import MISSING, browser_at, chromium
from tests.tools import unavailable


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium. Without it the tests skip with the reason.

    It stops after the tests of this folder. Until then its event loop occupies this thread.
    """
    program = chromium()
    if program is None:
        unavailable(MISSING)
    with browser_at(program) as browser:
        yield browser


@pytest.fixture(scope="package")
def server() -> Iterator[Stack]:
    """Postgres and an api-server that knows our DAGs, without a scheduler and without S3."""
    with tempfile.TemporaryDirectory(prefix="elt-browser-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # if tests run as root, the database server uses another user
        stack = Stack(Path(folder) / "state")
        try:
            _start(stack)
            yield stack
        finally:
            stack.down(purge=True)


def _start(stack: Stack) -> None:
    stack.folder.mkdir()
    stack.postgres.create()
    stack.postgres.start()
    stack._create_databases()
    stack._migrate()
    stack._migrate_airflow()
    write_state(stack.folder, stack.state)
    pages = components(stack.folder, stack.state)["api-server"]
    pages.start()
    subprocess.run(
        [PROGRAM, "dags", "reserialize"],
        env=environment(stack.folder, stack.state),
        check=True,
        capture_output=True,
    )
    pages.wait_until(lambda: is_listening(stack.state.ports.airflow), 120)
