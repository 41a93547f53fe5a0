"""Say how far a command is. Invariant: only on a terminal, and only once it takes a while."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.status import Status

_QUIET_SECONDS = 2.0


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line on stderr in the place of the line before."""
    console, started = Console(stderr=True), time.monotonic()
    with ExitStack() as stack:
        status: Status | None = None

        def show(text: str) -> None:
            nonlocal status
            if not console.is_terminal or time.monotonic() - started < _QUIET_SECONDS:
                return
            status = status or stack.enter_context(console.status(""))
            status.update(text)

        yield show
