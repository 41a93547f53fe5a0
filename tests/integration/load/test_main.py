"""`python -m scripts.load` as an operator runs it: its output and its exit status."""

import io
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import psycopg
import pytest

from local.ministack import LOGIN, REGION, MiniStack
from scripts.landing.keys import raw_key, today
from scripts.landing.store import Store
from tests.conftest import Warehouse

pytestmark = pytest.mark.integration

_POST = {"userId": 1, "id": 1, "title": "t", "body": "b"}


def _load(
    warehouse: Warehouse, store: Store, ministack: MiniStack, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.load", *arguments],
        cwd=Path(__file__).parents[3],
        env={
            **os.environ,
            "LANDING_BUCKET": store.bucket,
            "WAREHOUSE_DSN": warehouse.loader,
            "AWS_ENDPOINT_URL": ministack.endpoint,
            "AWS_ACCESS_KEY_ID": LOGIN,
            "AWS_SECRET_ACCESS_KEY": LOGIN,
            "AWS_DEFAULT_REGION": REGION,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _land(store: Store, day: date, content: bytes) -> None:
    store.client.put_object(
        Bucket=store.bucket, Key=raw_key("posts", day), Body=io.BytesIO(content)
    )


def test_without_a_day_it_loads_what_is_pending_and_then_nothing(
    warehouse: Warehouse, store: Store, ministack: MiniStack
) -> None:
    _land(store, today(), msgspec.json.encode([_POST]))

    first = _load(warehouse, store, ministack, "posts")
    second = _load(warehouse, store, ministack, "posts")

    assert (first.returncode, first.stderr) == (0, "")
    assert "loaded, 1 of 1 records" in first.stdout
    assert (second.returncode, second.stdout) == (0, "nothing is pending\n")
    with psycopg.connect(warehouse.loader) as connection:
        assert connection.execute("select count(*) from raw.posts").fetchone() == (1,)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["posts", "--day", "2026-13-01"], "expected a day as YYYY-MM-DD"),
        (["posts", "--day", "2026-01-01"], "does not exist. Ingest the day first"),
        (["postings"], "no source is called 'postings'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    warehouse: Warehouse, store: Store, ministack: MiniStack, arguments: list[str], says: str
) -> None:
    done = _load(warehouse, store, ministack, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_refused_object_stops_no_other(
    warehouse: Warehouse, store: Store, ministack: MiniStack
) -> None:
    _land(store, date(2026, 1, 1), b'[{"id": 1')
    _land(store, date(2026, 1, 2), msgspec.json.encode([_POST]))

    done = _load(warehouse, store, ministack, "posts")

    assert done.returncode == 2
    assert "raw/posts/2026-01-02.json: loaded" in done.stdout
    assert "raw/posts/2026-01-01.json is parked" in done.stderr
    assert done.stderr.count("\n") == 1
