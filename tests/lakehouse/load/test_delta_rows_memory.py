"""The memory of a load into a Delta table does not grow with the object, nor with its records."""

import subprocess
import sys

import pytest

from scripts.landing.store import Store
from sources.jsonplaceholder import POSTS
from tests.conftest import Warehouse
from tests.lakehouse.tables import ensure, table
from tests.loading import array, environment, post, put

pytestmark = pytest.mark.lakehouse

_LIMIT = {"many records": 350, "no order": 350, "large records": 450}  # MB
_CHILD = """
import os, resource, sys
import boto3
from benchmarks.probe import peak
from scripts.load.load import load
from scripts.settings import run_settings_from_env
from sources.jsonplaceholder import POSTS
from scripts.landing.store import Store
from tests.loading import DAY

store = Store.of_session(boto3.Session(), os.environ["LANDING_BUCKET"])
args = store, os.environ["WAREHOUSE_DSN"], run_settings_from_env()
print(load(POSTS, DAY, *args).loaded, peak() // 2**20)
"""


@pytest.mark.parametrize("name", _LIMIT)
def test_the_peak_is_below_the_limit(
    name: str, store: Store, warehouse: Warehouse, lakehouse: str
) -> None:
    ensure(warehouse, POSTS)
    body = "sunt aut facere " * 12
    put(
        store,
        {
            "many records": lambda: array(post(n, body=body) for n in range(250_000)),
            "no order": lambda: array(post(n * 7 % 250_001, body=body) for n in range(250_000)),
            "large records": lambda: array(post(n, body=body * 80_000) for n in range(9)),
        }[name](),
    )
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env=environment(store, warehouse.loader),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    loaded, peak = map(int, child.stdout.split())
    assert table(lakehouse).loads() == {1: loaded}
    assert peak < _LIMIT[name]
