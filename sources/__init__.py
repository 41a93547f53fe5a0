"""What is ingested: one Python file per API, and here the mapping of all declared sources.

A file imports its words from `sources.declaration` and ends with the tuple ``SOURCES``. A file that
cannot be used is in `PROBLEMS`, which the DAG file check_sources.py raises.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sources.declaration import BigInt, Source
from sources.declaration.discover import discover

__all__ = ["PROBLEMS", "SOURCES", "BigInt", "Source"]

_FOUND = discover(__name__, Path(__file__).parent)
SOURCES: Mapping[str, Source] = MappingProxyType(dict(_FOUND.sources))
PROBLEMS: Mapping[str, str] = MappingProxyType(dict(_FOUND.problems))
