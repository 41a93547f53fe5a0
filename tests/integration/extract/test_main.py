"""`python -m scripts.extract`: output, exit status, and errors without secrets."""

import base64
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from local.ministack import MiniStack
from local.processes import free_port
from local.stand_in_api import ApiSwitches
from local.switchable import SwitchableServer
from scripts.landing.keys import raw_key
from scripts.landing.store import Store

pytestmark = pytest.mark.integration
Api = SwitchableServer[ApiSwitches]
SECRET = "s3cr3t-of-the-test"
_PASSWORD = "p\nw"


def run(
    api_url: str,
    store: Store,
    ministack: MiniStack,
    *arguments: str,
    environ: Any = None,
    **settings: Any,
) -> subprocess.CompletedProcess[str]:
    fast = {"http_backoff": 0.01, "http_retries": 1, "total_timeout": 20, **settings}
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "POSTS_API_URL": api_url,
        "LANDING_BUCKET": store.bucket,
        "PIPELINE_ALLOW_PRIVATE_API": "true",
        "AWS_ENDPOINT_URL": ministack.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AIRFLOW_VAR_PIPELINE": json.dumps(fast),
        **(environ or {}),
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.extract", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_lands_and_prints_the_object(api: Api, store: Store, ministack: MiniStack) -> None:
    first = run(api.url, store, ministack, "posts", "--day", "2026-01-01")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith(f"landed s3://{store.bucket}/raw/posts/2026-01-01.json: 25 rows")
    assert len(first.stdout.splitlines()) == 1

    again = run(f"{api.url}/posts", store, ministack, "posts", "--day", "2026-01-01")
    assert again.stdout.startswith("unchanged")
    assert len(store.client.list_object_versions(Bucket=store.bucket)["Versions"]) == 1


def test_a_day_that_was_asked_for_too_late_says_so(
    api: Api, store: Store, ministack: MiniStack
) -> None:
    past = run(api.url, store, ministack, "posts", "--day", "2026-01-01")
    assert re.search(r", as of \d{4}-\d\d-\d\d \d\d:\d\d UTC, not of the day$", past.stdout.strip())
    assert "as of" not in run(api.url, store, ministack, "posts").stdout


def test_the_day_is_today_unless_it_is_named(api: Api, store: Store, ministack: MiniStack) -> None:
    before = datetime.now(UTC).date()
    assert run(api.url, store, ministack, "posts").returncode == 0
    days = {before, datetime.now(UTC).date()}
    assert {row.key for row in store.list("")} <= {raw_key("posts", day) for day in days}


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"cut": 0, "framing": "close"}, "at byte 0"),
        ({"cut": 1000, "framing": "close"}, "byte 1000"),
        ({"cut": 1000}, "broke off at byte 1000"),
        ({"body": "not JSON"}, "expected JSON, got b'n' at byte 0"),
        ({"body": "<html>", "headers": {"Content-Type": "text/html"}}, "got b'<' at byte 0"),
        ({"body": "{}"}, "no array at the top level; the answer has no array"),
        ({"status": 500}, "got 500"),
        ({"endless": True}, "at most 3000000 bytes"),
        ({"drip": 0.2}, "within 1 s"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_a_bad_answer_is_status_2_one_line_and_no_object(
    api: Api, store: Store, ministack: MiniStack, faults: dict[str, Any], says: str
) -> None:
    api.switches = ApiSwitches(**faults)
    limits = {"max_bytes": 3_000_000, "total_timeout": 1 if "drip" in faults else 20}
    url = f"{api.url.replace('://', f'://me:{SECRET}@')}/?api_key={SECRET}"

    done = run(url, store, ministack, "posts", "--day", "2026-01-01", **limits)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
    assert f"{api.url}/posts?api_key=***: " in done.stderr
    assert SECRET not in done.stderr
    assert api.requests, "the fault took no effect"
    assert not list(store.list(""))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["psts"], "declared: comments, earthquakes, posts, users"),
        (["posts", "--day", "yesterday"], "YYYY-MM-DD"),
        (["posts"], "Connection refused"),
    ],
)
def test_bad_input_is_status_2_and_one_line(
    store: Store, ministack: MiniStack, arguments: list[str], says: str
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    done = run(nobody, store, ministack, *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert says in done.stderr
    assert not list(store.list(""))


def _connection(**parts: Any) -> dict[str, str]:
    text = json.dumps({"conn_type": "http", "host": "http://127.0.0.1:1", **parts})
    return {"AIRFLOW_CONN_POSTS_API": text, "POSTS_API_URL": ""}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        (_connection(extra={"headers": {"X-Key": f"{SECRET}\n"}}), "a header or secret has a line"),
        (_connection(extra={"headers": {"X-Key": f"{SECRET}€"}}), "that HTTP does not allow"),
        ({"POSTS_API_URL": "http://exa mple.com"}, "its host name is not valid"),
        ({"POSTS_API_URL": "http://.example.com"}, "its host name is not valid"),
        ({"POSTS_API_URL": f"http://{'a' * 70}.com"}, "its host name is not valid"),
        (
            {"POSTS_API_URL": "https://127.0.0.1:1", "REQUESTS_CA_BUNDLE": "/no/such.pem"},
            "the CA bundle /no/such.pem",
        ),
        ({"AWS_ENDPOINT_URL": "localhost:4566"}, "settings of AWS: Invalid endpoint"),
        ({"AWS_PROFILE": "absent"}, "settings of AWS: The config profile (absent)"),
        ({"LANDING_BUCKET": "a b"}, 'Invalid bucket name "a b"'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_setting_that_can_never_work_is_one_line_and_is_not_tried_again(
    api: Api, store: Store, ministack: MiniStack, environ: dict[str, str], says: str
) -> None:
    done = run(api.url, store, ministack, "posts", environ=environ)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "tries" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_login_may_have_any_character(api: Api, store: Store, ministack: MiniStack) -> None:
    environ = _connection(host=api.url, login="ü€", password=_PASSWORD)
    done = run(api.url, store, ministack, "posts", environ=environ)
    assert done.returncode == 0, done.stderr
    sent = base64.b64decode(api.requests[-1].headers["authorization"].removeprefix("Basic "))
    assert sent.decode() == f"ü€:{_PASSWORD}"
