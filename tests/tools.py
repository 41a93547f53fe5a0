"""Programs that a machine may lack. Invariant: a test that misses one says so, or fails."""

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip with a reason; where PIPELINE_REQUIRE_TOOLS is set, fail."""
    if os.environ.get("PIPELINE_REQUIRE_TOOLS"):
        pytest.fail(f"{reason} (PIPELINE_REQUIRE_TOOLS is set)")
    pytest.skip(reason)
