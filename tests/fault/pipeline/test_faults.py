"""After any fault of the running pipeline, every record is in S3, raw and marts exactly once.

Each channel also receives one alert per cause, and one recovery message when it is resolved.
"""

from typing import Any

import pytest

from tests.fault.pipeline.fault import Fault, faults, strike_and_heal
from tests.fault.pipeline.rig import Rig

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]


def _cases() -> list[Any]:
    """Return every fault. `make test-fault FIRST=1` runs the first of each class."""
    return [
        pytest.param(f, id=f.name, marks=[] if f.is_first else pytest.mark.thorough)
        for f in faults().values()
    ]


@pytest.mark.parametrize("fault", _cases())
def test_it_heals_with_every_record_everywhere_once_and_every_cause_reported_once(
    fault: Fault, rig: Rig, record_property: Any
) -> None:
    healed = strike_and_heal(rig, fault)

    assert [found for found in rig.census() if found] == []
    assert rig.miscounted(is_warehouse_down=fault.is_warehouse_down) == []
    causes = rig.causes()
    assert fault.alerts.fits(causes), causes
    record_property("heal_seconds", f"{healed:.1f}")
    record_property("causes", ", ".join(causes))
