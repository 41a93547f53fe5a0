"""The command line shows what the first page says, and fails if the declaration does not fit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running
from scripts.source.files import ROOT
from sources import SOURCES

pytestmark = pytest.mark.unit
Api = SwitchableServer[ApiSwitches]


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(25, 1)) as server:
        yield server


def run(api: Api, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.source", *arguments],
        env={**os.environ, "POSTS_API_URL": api.url, "PIPELINE_ALLOW_PRIVATE_API": "true"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_declaration_that_fits_is_status_0(api: Api) -> None:
    api.switches = ApiSwitches(headers={"X-RateLimit-Remaining": "59"})
    done = run(api, "check", "posts")
    assert done.returncode == 0, done.stderr
    for line in (
        "records:       25",
        "next page:     none: the list ends here",
        "key:           unique",
        "contract:      every record keeps it",
        "rate limit:    X-RateLimit-Remaining: 59",
    ):
        assert line in done.stdout


def test_records_that_break_the_contract_are_status_2(api: Api) -> None:
    api.switches = ApiSwitches(body=json.dumps([{"id": 1}, {"id": 1}]))
    done = run(api, "check", "posts")
    assert done.returncode == 2
    assert "2 x Object missing required field `userId`" in done.stdout
    assert done.stderr == "error: the declaration of posts does not fit: see above\n"


def test_a_source_that_is_not_declared_is_named(api: Api) -> None:
    done = run(api, "check", "no_such")
    assert done.returncode == 2
    assert f"no source is called 'no_such'; declared: {', '.join(sorted(SOURCES))}" in done.stderr


@pytest.mark.parametrize("param", ["api_key", "access-token", "appid", "Signature"])
def test_a_secret_in_the_url_is_refused_before_it_is_written_into_a_file(
    api: Api, param: str
) -> None:
    url = f"{api.url}/posts?_limit=5&{param}=pl4nted"
    done = run(api, "add", url, "orders")
    assert done.returncode == 2
    assert f"the URL has {param}, which looks like a secret" in done.stderr
    assert f"--auth query:{param}" in done.stderr
    assert "pl4nted" not in done.stdout + done.stderr
    assert not api.requests
    assert not (ROOT / "sources" / "orders.py").exists()
