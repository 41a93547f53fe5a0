"""A killed extraction leaves the day complete or absent, and the next extraction completes it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from local.ministack import MiniStack
from local.sample_earthquakes import Earthquakes
from local.stand_in_api import ApiSwitches, stand_in
from local.switchable import SwitchableServer, running
from scripts.extract.extract import extract
from scripts.landing.keys import parse_day, raw_key
from scripts.landing.store import Store
from scripts.settings import Endpoint
from tests import orders
from tests.orders import Orders

pytestmark = pytest.mark.fault
Api = SwitchableServer[ApiSwitches]
DAY = parse_day("2026-01-01")
RECORDS = {"posts": 40_000, "earthquakes": len(Earthquakes(1).of_day(DAY))}


@pytest.fixture
def api() -> Iterator[Api]:
    with running(stand_in(40_000, 1)) as server:
        yield server


def start(
    api: Api,
    store: Store,
    ministack: MiniStack,
    folder: Path,
    source: str = "posts",
    program: str = "",
    **environ: str,
) -> subprocess.Popen[str]:
    """Start an extraction from the command line. `folder` holds its temporary files.

    `program` is Python that runs instead of the module.
    """
    what = ["-c", program] if program else ["-m", "scripts.extract"]
    return subprocess.Popen(
        [sys.executable, *what, source, "--day", "2026-01-01"],
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(folder),
            "POSTS_API_URL": api.url,
            "EARTHQUAKES_API_URL": api.url,
            "LANDING_BUCKET": store.bucket,
            "PIPELINE_ALLOW_PRIVATE_API": "true",
            "AWS_ENDPOINT_URL": ministack.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AIRFLOW_VAR_PIPELINE": json.dumps({"http_backoff": 0.01, "total_timeout": 30}),
            **environ,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def versions(store: Store) -> int:
    return len(store.client.list_object_versions(Bucket=store.bucket).get("Versions", []))


@pytest.mark.parametrize("source", RECORDS)
@pytest.mark.parametrize("landed", [0, 1], ids=["before", "after"])
def test_killed_around_the_upload_the_next_run_lands_it_once(
    api: Api, store: Store, ministack: MiniStack, tmp_path: Path, landed: int, source: str
) -> None:
    place = "ingest.after_upload" if landed else "ingest.before_upload"
    with start(api, store, ministack, tmp_path, source, PIPELINE_KILL_AT=place) as killed:
        killed.communicate(timeout=60)
    assert killed.returncode == -9, "the fault took no effect"
    assert versions(store) == landed
    assert not list(tmp_path.iterdir()), "a temporary file was left"

    with start(api, store, ministack, tmp_path, source) as again:
        output, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert output.startswith("unchanged" if landed else "landed")
    assert versions(store) == 1
    opened = store.open(raw_key(source, DAY))
    assert opened is not None
    assert len(json.loads(b"".join(opened.blocks()))) == RECORDS[source]


def test_killed_while_it_reads_it_leaves_nothing(
    api: Api, store: Store, ministack: MiniStack, tmp_path: Path
) -> None:
    api.switches = ApiSwitches(endless=True)
    with start(api, store, ministack, tmp_path) as reader:
        while not api.requests:
            with suppress(subprocess.TimeoutExpired):
                reader.wait(0.01)
            assert reader.poll() is None, "it ended before it could be killed"
        reader.kill()
        reader.communicate(timeout=60)
    assert reader.returncode == -9
    assert versions(store) == 0
    assert not list(tmp_path.iterdir())


def _start_children(
    api: Orders, store: Store, ministack: MiniStack, folder: Path, **environ: str
) -> subprocess.Popen[bytes]:
    arguments = [api.url, ministack.endpoint, store.bucket]
    environ |= {"TMPDIR": str(folder), "PIPELINE_ALLOW_PRIVATE_API": "true"}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.orders", *arguments],
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-central-1", **keys, **environ},
    )


@pytest.mark.parametrize("place", ["ingest.between_parents", "ingest.before_upload"])
def test_killed_between_the_lists_of_two_parents_the_next_run_lands_the_same_bytes(
    store: Store, ministack: MiniStack, tmp_path: Path, place: str
) -> None:
    settings, undisturbed = orders.SETTINGS, Store(store.client, f"{store.bucket}-undisturbed")
    ministack.bootstrap(undisturbed.bucket)
    with running(orders.shop(delay=0.01)) as api:
        endpoint = Endpoint(api.url)
        for bucket in (store, undisturbed):
            extract(orders.ORDERS, DAY, endpoint, bucket, settings)
        expected = extract(orders.EVENTS, DAY, endpoint, undisturbed, settings)
        api.requests.clear()

        with _start_children(api, store, ministack, tmp_path, PIPELINE_KILL_AT=place) as killed:
            assert killed.wait(60) == -9, "the fault took no effect"
        assert store.head(expected.key) is None
        assert not list(tmp_path.iterdir()), "a temporary file was left"

        with _start_children(api, store, ministack, tmp_path) as again:
            assert again.wait(60) == 0
        landed, as_it_was = store.head(expected.key), undisturbed.head(expected.key)
        assert landed is not None
        assert as_it_was is not None
        assert (landed.sha256, landed.info.etag) == (as_it_was.sha256, as_it_was.info.etag)
        assert "/orders" not in {request.path for request in api.requests}
