"""The type of an API. Invariant: its name alone gives the connection and the variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from croniter import croniter

from sources.declaration.auth import Auth
from sources.declaration.declaration_error import DeclarationError
from sources.declaration.paginators import Paginator
from sources.declaration.paths import Path, check_path

_BASE_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,48}")


@dataclass(frozen=True, kw_only=True)
class Api:
    """An HTTP API: how its lists are asked for, page by page.

    Attributes:
        name: gives the Airflow connection ``<name>_api``, the variables ``<NAME>_API_URL`` and
            ``AIRFLOW_CONN_<NAME>_API``, and the tag of the DAGs.
        base_url: where it is, such as ``https://api.example.com/v2``. The variable or the host of
            the connection replaces it. Empty: one of them is needed.
        paginator: how the pages follow each other. A source can have its own.
        auth: how the API knows us. None: no login, or the headers of the connection.
        headers: headers of every request, such as a version. Secrets belong to the connection.
        params: query parameters of every request.
        error_path: a field that only an error has, although its status is 200.
        success_path: a field that is false in an error, although its status is 200.
        requests_per_minute: the pace to keep. None: as fast as the API answers.
        reset_header: the header that says when a rate limit ends: in seconds, or as Unix time.
        schedule: cron expression of its ingest DAGs. None: PIPELINE_INGEST_SCHEDULE.
        owner: owner of its ingest DAGs. None: PIPELINE_OWNER.
    """

    name: str
    paginator: Paginator
    base_url: str = ""
    auth: Auth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str | int] = field(default_factory=dict)
    error_path: Path | None = None
    success_path: Path | None = None
    requests_per_minute: float | None = None
    reset_header: str = "X-RateLimit-Reset"
    schedule: str | None = None
    owner: str | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        check_paginator(self.paginator)
        if self.base_url and not _BASE_URL.fullmatch(self.base_url):
            raise DeclarationError("base_url", "expected http(s)://host/path, no login, no query")
        if self.auth is not None and not isinstance(self.auth, Auth):
            raise DeclarationError("auth", f"expected bearer() or another, got {self.auth!r}")
        check_path("error_path", self.error_path)
        check_path("success_path", self.success_path)
        if self.schedule is not None and not croniter.is_valid(self.schedule):
            raise DeclarationError("schedule", f"expected a cron expression, got {self.schedule!r}")
        if self.requests_per_minute is not None and self.requests_per_minute <= 0:
            raise DeclarationError("requests_per_minute", "expected a number above 0")

    @property
    def connection(self) -> str:
        """The id of the Airflow connection with the secrets, and its own base URL if it has one."""
        return f"{self.name}_api"


def check_name(name: str) -> None:
    """Raise DeclarationError unless `name` can name a DAG, a table and a variable."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError("name", f"expected [a-z][a-z0-9_]{{0,48}}, got {name!r}")


def check_paginator(paginator: object) -> None:
    """Raise DeclarationError unless it is one of the declared paginators."""
    if not isinstance(paginator, Paginator):
        raise DeclarationError(
            "paginator", f"expected header_link() or another, with its arguments: {paginator!r}"
        )
