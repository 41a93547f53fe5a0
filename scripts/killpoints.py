"""Named places where a test ends or stops this process. Invariant: without a test they do nothing.

A fault test starts a loader or an extraction of its own with PIPELINE_KILL_AT (SIGKILL) or
PIPELINE_STOP_AT (SIGSTOP) naming one of these places.
"""

import os
import signal

_SIGNALS = {
    name: number
    for variable, number in (
        ("PIPELINE_KILL_AT", signal.SIGKILL),
        ("PIPELINE_STOP_AT", signal.SIGSTOP),
    )
    if (name := os.environ.get(variable))
}


def reach(place: str) -> None:
    """Signal this process if the environment says so for this place; each place signals once."""
    if number := _SIGNALS.pop(place, None):
        os.kill(os.getpid(), number)
