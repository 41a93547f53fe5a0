"""The client of Airflow's REST API. Invariant: the state of Airflow is read only through it."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

from scripts.errors import UnavailableError
from scripts.settings import Endpoint

_PAGE_ROWS = 100
_MAX_PAGES = 10
_GOOD = 2  # the class of status 200


class AirflowApi:
    """A session of the API. It logs in with user name and password."""

    def __init__(self, endpoint: Endpoint, seconds: float = 30) -> None:
        self._url = endpoint.url.rstrip("/")
        self._seconds = seconds
        self._session = requests.Session()
        self._session.headers.update(endpoint.headers)
        user, password = endpoint.login or ("", "")
        answer = self._call("POST", "/auth/token", json={"username": user, "password": password})
        self._session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return the document at a path below ``/api/v2``. Raises UnavailableError."""
        return self._call("GET", f"/api/v2{path}", params=params)

    def pages(self, path: str, rows: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield at most 1000 rows of a collection. `rows` is their key in the document."""
        for page in range(_MAX_PAGES):
            found = self.get(path, **params, limit=_PAGE_ROWS, offset=page * _PAGE_ROWS)[rows]
            yield from found
            if len(found) < _PAGE_ROWS:
                return

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        url = f"{self._url}{path}"
        try:
            answer = self._session.request(  # a redirect would take the password elsewhere
                method, url, timeout=self._seconds, allow_redirects=False, **arguments
            )
            is_good = answer.status_code // 100 == _GOOD
            body: dict[str, Any] = answer.json() if is_good else {}
        except requests.RequestException as error:  # also if a proxy answers with HTML
            raise UnavailableError(
                f"Airflow API: {type(error).__name__} at {method} {path}. Check the api-server."
            ) from None
        if not is_good:  # the text of the answer can be anybody's
            raise UnavailableError(
                f"Airflow API: {method} {path} returned {answer.status_code}, expected 2xx. Check "
                "the address and the login of connection airflow_api"
            )
        return body
