"""Whatever strikes the running pipeline, every record ends in S3, raw and marts exactly once."""

from typing import Any

import pytest

from tests.fault.pipeline.fault import Fault, faults, strike_and_heal
from tests.fault.pipeline.rig import Rig

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]


def _cases() -> list[Any]:
    """Every fault; all but the first of each class are left to `make test-fault`."""
    return [
        pytest.param(f, id=f.name, marks=[] if f.is_first else pytest.mark.thorough)
        for f in faults().values()
    ]


@pytest.mark.parametrize("fault", _cases())
def test_it_heals_and_every_record_is_everywhere_once(
    fault: Fault, rig: Rig, record_property: Any
) -> None:
    healed = strike_and_heal(rig, fault)

    assert [found for found in rig.census() if found] == []
    record_property("heal_seconds", f"{healed:.1f}")
