"""Handle missing programs. Invariant: a test without its program skips with a reason or fails."""

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip with a reason, or fail if PIPELINE_REQUIRE_TOOLS is set."""
    if os.environ.get("PIPELINE_REQUIRE_TOOLS"):
        pytest.fail(f"{reason} (PIPELINE_REQUIRE_TOOLS is set)")
    pytest.skip(reason)
