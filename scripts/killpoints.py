"""Named places where a test can end or stop this process. Invariant: inactive without a test.

A fault test starts a process with PIPELINE_KILL_AT (SIGKILL) or PIPELINE_STOP_AT (SIGSTOP) set to
one of these names. For a stack that is already running it sets PIPELINE_KILL_FOLDER: a file there
with the name of a place, containing the name of a signal, hits the first process that reaches the
place. The file is then renamed to ``<place>.<pid>`` as evidence.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

_SIGNALS = {  # by place
    os.environ.get("PIPELINE_KILL_AT"): signal.SIGKILL,
    os.environ.get("PIPELINE_STOP_AT"): signal.SIGSTOP,
}
_FOLDER = os.environ.get("PIPELINE_KILL_FOLDER")


def reach(place: str) -> None:
    """Signal this process if the environment asks for it here. Each place signals once."""
    if number := _SIGNALS.pop(place, None):
        os.kill(os.getpid(), number)
    if _FOLDER:
        _signal_once(Path(_FOLDER, place))


def _signal_once(armed: Path) -> None:
    """Take the file, which only one process can, and send its signal."""
    with suppress(FileNotFoundError):
        taken = armed.rename(f"{armed}.{os.getpid()}")
        os.kill(os.getpid(), signal.Signals[taken.read_text()])
