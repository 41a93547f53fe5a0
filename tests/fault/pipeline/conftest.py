"""One stack for all faults of the pipeline. It stops before another package starts its own."""

from collections.abc import Iterator

import pytest

from tests.fault.pipeline.rig import Rig
from tests.fault.pipeline.rig import rig as build_rig


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A running stack for fault injection."""
    with build_rig(tmp_path_factory.mktemp("kill")) as rig:
        yield rig
