"""Whatever strikes the running pipeline, every record ends in S3, raw and marts exactly once.

So does every cause: it is told once on each channel, and once more when it is over.
"""

from typing import Any

import pytest

from tests.fault.pipeline.fault import Fault, faults, strike_and_heal
from tests.fault.pipeline.rig import Rig

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]


def _cases() -> list[Any]:
    """Every fault; `make test-fault FIRST=1` goes through the first of each class."""
    return [
        pytest.param(f, id=f.name, marks=[] if f.is_first else pytest.mark.thorough)
        for f in faults().values()
    ]


@pytest.mark.parametrize("fault", _cases())
def test_it_heals_with_every_record_everywhere_once_and_every_cause_told_once(
    fault: Fault, rig: Rig, record_property: Any
) -> None:
    healed = strike_and_heal(rig, fault)

    assert [found for found in rig.census() if found] == []
    assert rig.misheard(is_warehouse_down=fault.is_warehouse_down) == []
    causes = rig.causes()
    assert fault.told.fits(causes), causes
    record_property("heal_seconds", f"{healed:.1f}")
    record_property("causes", ", ".join(causes))
