"""The client of Airflow's REST API: login, pages, and one error for every kind of no answer."""

import json
from collections.abc import Iterator

import pytest

from local.switchable import SwitchableServer, running
from local.switches import Answer, Request, Switches
from scripts.alerts.airflow_api import AirflowApi
from scripts.errors import UnavailableError
from scripts.settings import Endpoint

pytestmark = pytest.mark.integration
Server = SwitchableServer[Switches]


def _answer(request: Request, _: Switches) -> Answer:
    if request.path == "/auth/token":
        return Answer(b'{"access_token": "pl4nted"}')
    first, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 0))
    numbers = range(first, min(first + limit, 250))
    return Answer(json.dumps({"rows": [{"number": number} for number in numbers]}).encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with running(SwitchableServer(("127.0.0.1", 0), _answer, Switches)) as found:
        yield found


def _api(server: Server) -> AirflowApi:
    return AirflowApi(Endpoint(server.url, login=("viewer", "pl4nted-pw")), 0.5)


def test_all_pages_are_read_in_order(server: Server) -> None:
    rows = _api(server).pages("/dags", "rows", {"state": "failed"})
    assert [row["number"] for row in rows] == list(range(250))
    login, *pages = server.requests
    assert (login.method, login.path) == ("POST", "/auth/token")
    assert {(page.path, page.query["state"]) for page in pages} == {("/api/v2/dags", "failed")}


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        (Switches(status=403, body='{"detail": "pl4nted"}'), "returned 403"),
        (Switches(status=307, headers={"Location": "/elsewhere"}), "returned 307"),
        (Switches(body="<html>Sign in</html>"), "JSONDecodeError at GET /api/v2/dags"),
        (Switches(drop=True), "ConnectionError at GET /api/v2/dags"),
        (Switches(delay=2), "ReadTimeout at GET /api/v2/dags"),
    ],
    ids=["refused", "redirected", "html", "dropped", "slow"],
)
def test_no_usable_answer_is_unavailable(server: Server, switches: Switches, message: str) -> None:
    api = _api(server)
    server.switches = switches
    with pytest.raises(UnavailableError, match=message) as caught:
        api.get("/dags")
    assert "pl4nted" not in str(caught.value)


def test_a_refused_login_is_unavailable_and_shows_no_password(server: Server) -> None:
    server.switches = Switches(status=401, body="{}")
    with pytest.raises(UnavailableError, match="POST /auth/token returned 401") as caught:
        _api(server)
    assert "pl4nted" not in str(caught.value)


def test_no_redirect_takes_the_password_to_another_place(server: Server) -> None:
    with running(SwitchableServer(("127.0.0.1", 0), _answer, Switches)) as other:
        server.switches = Switches(status=307, headers={"Location": f"{other.url}/auth/token"})
        with pytest.raises(UnavailableError, match="returned 307"):
            _api(server)
        assert not other.requests
