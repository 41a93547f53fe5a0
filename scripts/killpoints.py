"""Named places where a test ends or stops this process. Invariant: without a test they do nothing.

A fault test starts a loader or an extraction of its own with PIPELINE_KILL_AT (SIGKILL) or
PIPELINE_STOP_AT (SIGSTOP) naming one of these places. A stack that runs already has
PIPELINE_KILL_FOLDER: a file there with the name of a place, holding the name of a signal, strikes
the first process that comes by, and is renamed to ``<place>.<pid>`` as the proof.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

_SIGNALS = {
    name: number
    for variable, number in (
        ("PIPELINE_KILL_AT", signal.SIGKILL),
        ("PIPELINE_STOP_AT", signal.SIGSTOP),
    )
    if (name := os.environ.get(variable))
}
_FOLDER = os.environ.get("PIPELINE_KILL_FOLDER")


def reach(place: str) -> None:
    """Signal this process if the environment says so for this place; each place signals once."""
    if number := _SIGNALS.pop(place, None):
        os.kill(os.getpid(), number)
    if _FOLDER:
        _strike(Path(_FOLDER, place))


def _strike(armed: Path) -> None:
    """Take the file, which only one process can, and do what it says."""
    with suppress(FileNotFoundError):
        struck = armed.rename(f"{armed}.{os.getpid()}")
        os.kill(os.getpid(), signal.Signals[struck.read_text()])
