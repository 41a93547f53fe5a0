"""What the requests of one extraction share. Invariant: it holds for all threads together."""

import time
from threading import Event, Lock

from scripts.errors import UnavailableError
from scripts.extract.limits import Pace
from scripts.settings import RunSettings
from sources.declaration import Api


class Budget:
    """The deadline, the pace and the bytes of all requests, and whether they shall end."""

    def __init__(self, settings: RunSettings, api: Api) -> None:
        self._total_timeout = settings.total_timeout
        self._per_minute = api.requests_per_minute
        self._deadline = time.monotonic() + settings.total_timeout
        self._pace = Pace(api.requests_per_minute)
        self._bytes = 0
        self._lock = Lock()
        self._stopped = Event()

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - time.monotonic()

    def check(self, where: str) -> None:
        """Raise UnavailableError if the deadline is over, or if `stop` was called."""
        if self._stopped.is_set():
            raise UnavailableError("stopped, because another list failed")
        if self.left() <= 0:
            raise UnavailableError(
                f"expected the whole list within {self._total_timeout:g} s (total_timeout), "
                f"it did not end{where}"
            )

    def keep_pace(self) -> None:
        """Wait for the next request. Raises UnavailableError if that is after the deadline."""
        with self._lock:
            seconds = self._pace.wait()
        if seconds and seconds >= self.left():  # without a pause the deadline is checked next
            raise UnavailableError(
                f"the pace of {self._per_minute:g} requests per minute needs more than "
                f"{self._total_timeout:g} s (total_timeout)"
            )
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait some seconds, or until `stop` is called."""
        self._stopped.wait(seconds)

    def count(self, size: int) -> int:
        """Count received bytes, or with a negative size forget them. Return how many there are."""
        with self._lock:
            self._bytes += size
            return self._bytes

    def stop(self) -> None:
        """Let each thread end at its next request or block."""
        self._stopped.set()
