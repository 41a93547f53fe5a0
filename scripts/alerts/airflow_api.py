"""The door to Airflow's REST API. Invariant: it is the only way to what Airflow knows of itself."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from scripts.errors import UnavailableError
from scripts.settings import Endpoint

_PAGE = 100
_MOST_PAGES = 10


class AirflowApi:
    """A session of the API, logged in by name and password."""

    def __init__(self, endpoint: Endpoint, seconds: float = 30) -> None:
        self._url = endpoint.url.rstrip("/")
        self._seconds = seconds
        self._session = requests.Session()
        self._session.headers.update(endpoint.headers)
        user, password = endpoint.login or ("", "")
        answer = self._call("POST", "/auth/token", json={"username": user, "password": password})
        self._session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Ask for one document below ``/api/v2``; raises UnavailableError."""
        return self._call("GET", f"/api/v2{path}", params=params)

    def pages(self, path: str, rows: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a collection, up to a thousand of them."""
        for page in range(_MOST_PAGES):
            found = self.get(path, **params, limit=_PAGE, offset=page * _PAGE)[rows]
            yield from found
            if len(found) < _PAGE:
                return

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(
                method, f"{self._url}{path}", timeout=self._seconds, **arguments
            )
        except requests.RequestException as error:
            raise UnavailableError(f"Airflow's API: {type(error).__name__} at {path}") from None
        if not answer.ok:
            raise UnavailableError(
                f"Airflow's API: {answer.status_code} at {method} {path}: {answer.text[:300]}"
            )
        body: dict[str, Any] = answer.json()
        return body
