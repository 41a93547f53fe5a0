"""The engine of the tests starts again after it was killed, and ends with its block."""

from pathlib import Path

import pytest

from local.processes import is_listening
from local.sail import running_sail

pytestmark = pytest.mark.lakehouse


def test_a_killed_engine_starts_again(tmp_path: Path) -> None:
    with running_sail(tmp_path) as server:
        assert server.settings("/lake")["PIPELINE_SPARK_REMOTE"] == server.remote
        server.kill()
        assert not is_listening(server.port)
        server.start()
        assert is_listening(server.port)
    assert server.managed.process() is None
