"""The parts of Airflow's REST API that the local stack uses, with answers that a test sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from local.rest import LocalAirflowApi
from local.switchable import SwitchableServer, _Handler, running
from local.switches import Answer, Request, Switches


class _PatchHandler(_Handler):
    """Also serves PATCH, which only Airflow's API needs."""

    do_PATCH = _Handler.do_GET


class RestApi:
    """A server that answers a path below ``/api/v2`` with the value in `answers`.

    A list is a sequence of answers. The last one is repeated.
    """

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any] | list[dict[str, Any]]] = {}
        self.server = SwitchableServer(("127.0.0.1", 0), self._answer, Switches)
        self.server.RequestHandlerClass = _PatchHandler

    def client(self) -> LocalAirflowApi:
        return LocalAirflowApi(self.server.url, "admin", "pw")

    def last(self) -> tuple[str, str, Any]:
        """Return method, path and body of the last request."""
        request = self.server.requests[-1]
        path = request.path.removeprefix("/api/v2")
        return request.method, path, msgspec.json.decode(request.body or b"null")

    def _answer(self, request: Request, _: Switches) -> Answer:
        path = request.path.removeprefix("/api/v2")
        if path == "/auth/token":
            return Answer(b'{"access_token": "t"}', 201)
        if request.headers.get("authorization") != "Bearer t":
            return Answer(status=401)
        found = self.answers.get(path)
        if found is None:
            return Answer(status=404)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return Answer(msgspec.json.encode(found))


@contextmanager
def rest_api() -> Iterator[RestApi]:
    """Serve from a thread while the block runs."""
    made = RestApi()
    with running(made.server):
        yield made
