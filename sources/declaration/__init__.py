"""The vocabulary of declarations: everything that a file in ``sources/`` imports."""

from sources.declaration.api import Api
from sources.declaration.auth import (
    api_key,
    bearer,
    http_basic,
    oauth2_client_credentials,
    oauth2_refresh_token,
)
from sources.declaration.day import Changes, Snapshot, Window
from sources.declaration.paginators import (
    cursor,
    header_cursor,
    header_link,
    json_link,
    offset,
    page_number,
    single_page,
)
from sources.declaration.parent import Parent
from sources.declaration.part_sizes import hours, pages, parents
from sources.declaration.source import BigInt, Source

__all__ = [
    "Api",
    "BigInt",
    "Changes",
    "Parent",
    "Snapshot",
    "Source",
    "Window",
    "api_key",
    "bearer",
    "cursor",
    "header_cursor",
    "header_link",
    "hours",
    "http_basic",
    "json_link",
    "oauth2_client_credentials",
    "oauth2_refresh_token",
    "offset",
    "page_number",
    "pages",
    "parents",
    "single_page",
]
