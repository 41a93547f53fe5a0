"""What is ingested: one Python file per API, and here the mapping of all declared sources."""

from collections.abc import Mapping
from types import MappingProxyType

from sources import jsonplaceholder
from sources.source import BigInt, Source

__all__ = ["SOURCES", "BigInt", "Source"]

_APIS = (jsonplaceholder,)
SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.name: source for api in _APIS for source in api.SOURCES}
)
