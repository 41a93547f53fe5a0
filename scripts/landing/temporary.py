"""Temporary files. Invariant: a full disk is named, and never looks like a fault of the data."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.errors import ConfigurationError

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def temporary_space() -> Iterator[None]:
    """Run a block that writes temporary files.

    Raises:
        ConfigurationError: their folder is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ConfigurationError(
            f"no space left for temporary files in {tempfile.gettempdir()}: make room there, or set"
            " TMPDIR to a folder with more"
        ) from None
