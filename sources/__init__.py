"""What is ingested: one Python file per API, and here the list of all declared sources."""

from collections.abc import Mapping
from types import MappingProxyType

from sources.jsonplaceholder import COMMENTS, POSTS, USERS
from sources.source import BigInt, Source

__all__ = ["SOURCES", "BigInt", "Source"]

SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.name: source for source in (POSTS, COMMENTS, USERS)}
)
