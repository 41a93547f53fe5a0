"""Any content of an object is loaded, rejected or parked within 512 MB of address space."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from tests.conftest import Warehouse
from tests.integration.load.test_load import LOADED, REJECTED, raw
from tests.loading import DAY, array, environment, post, put

pytestmark = pytest.mark.integration

_CHILD = """
import json, os, resource, sys
from datetime import date
import boto3
from scripts.load.load import load
from scripts.settings import run_settings_from_env
from sources.jsonplaceholder import POSTS
from scripts.landing.store import Store

resource.setrlimit(resource.RLIMIT_AS, (512 * 1024**2,) * 2)
store = Store.of_session(boto3.Session(), os.environ["LANDING_BUCKET"])
for day in json.load(sys.stdin):
    args = store, os.environ["WAREHOUSE_DSN"], run_settings_from_env()
    result = load(POSTS, date.fromisoformat(day), *args)
    print(json.dumps([day, result.outcome, result.loaded, result.rejected, result.reason]))
"""


def objects() -> dict[str, tuple[bytes, list[object]]]:
    """Return each object by name, with its expected (outcome, loaded, rejected)."""
    around = [post(n) for n in range(1, 40)]
    rejected = {n: (array([*around, r]), ["loaded", 39, 1]) for n, (r, _, _) in REJECTED.items()}
    loaded = {n: (array([*around, r]), ["loaded", 40, 0]) for n, r in LOADED.items()}
    large = raw('"' + "é" * 9_000_000 + '"')
    full = raw('"' + "\U0001f600\\n" * 2_700_000 + '"')  # just below the limit of 16 MB
    return {
        **rejected,
        **loaded,
        "18 MB record": (array([*around, large, post(77)]), ["loaded", 40, 1]),
        "16 MB records": (array([*around, full, post(77)]), ["loaded", 41, 0]),
        "endless string": (b'[{"a": "' + b"x" * 18_000_000, ["parked", 0, 0]),
        "endless brackets": (b"[" * 18_000_000, ["parked", 0, 0]),
        "endless spaces": (b"[" + b" " * 4_000_000, ["parked", 0, 0]),
        "no commas": (b'[{"a": 1}' + b'{"a": 1}' * 300_000 + b"]", ["parked", 0, 1]),
        "many rows": (array(post(n) for n in range(100_000)), ["loaded", 100_000, 0]),
    }


def test_whatever_an_object_holds_512_mb_are_enough(store: Store, warehouse: Warehouse) -> None:
    expected = {}
    for number, (name, (body, outcome)) in enumerate(objects().items()):
        day = DAY + timedelta(days=number)
        put(store, body, key=raw_key("posts", day))
        expected[str(day)] = (name, outcome)

    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps(list(expected)),
        env=environment(store, warehouse.loader),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert child.returncode == 0, child.stderr
    found = {row[0]: row[1:] for row in map(json.loads, child.stdout.splitlines())}
    for key, (name, outcome) in expected.items():
        assert found[key][:3] == outcome, (name, found[key])
